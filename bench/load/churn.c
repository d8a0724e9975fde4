/*
 * Many clients at a time, each on a port of its own: Allocate, 401, Allocate with credentials, ChannelBind, and then either
 * Refresh 0 and the next client (churn), or nothing: the allocation stays (hold).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "commands.h"
#include "session.h"
#include "util.h"

#define MAX_PARALLEL 1024
/* Source ports come back only after so many clients, long after the relay has forgotten the 5-tuple. */
#define PORT_SPAN 50000
#define TICK_NS (50 * NS_PER_MS)
#define HOLD_LIMIT_NS (60 * NS_PER_SECOND)

static struct session sessions[MAX_PARALLEL];
static bool running[MAX_PARALLEL];
static int epoll;
static uint64_t started, completed, failed;
static char first_fault[64];

static void fill(const struct options *options, uint64_t limit, uint64_t now);
static void turn_once(const struct options *options, bool hold);
static void finish(struct session *session);

void command_churn(const struct options *options) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  uint64_t measure_from = now_ns() + (uint64_t)(options->warm_up * 1e9), end = 0;
  uint64_t before = 0, start = 0;
  double relay_cpu = 0, own_cpu = 0;
  for (uint64_t now = now_ns(); end == 0 || now < end; now = now_ns()) {
    if (end == 0 && now >= measure_from) {
      start = now;
      end = now + (uint64_t)(options->seconds * 1e9);
      before = completed;
      relay_cpu = cpu_seconds(options->pid);
      own_cpu = own_cpu_seconds();
    }
    fill(options, UINT64_MAX, now);
    turn_once(options, false);
  }
  relay_cpu = cpu_seconds(options->pid) - relay_cpu;
  own_cpu = own_cpu_seconds() - own_cpu;
  double elapsed = (double)(now_ns() - start) / 1e9;
  uint64_t cycles = completed - before;

  /* Let the last ones release what they hold. */
  for (uint64_t limit = now_ns() + NS_PER_SECOND; completed + failed < started && now_ns() < limit;) turn_once(options, false);
  printf("{\"seconds\":%.6f,\"cycles\":%llu,\"failed\":%llu,\"fault\":\"%s\",\"retransmissions\":%llu,\"relayCpu\":%.4f,\"loadCpu\":%.4f}\n",
         elapsed, (unsigned long long)cycles, (unsigned long long)failed, first_fault,
         (unsigned long long)session_retransmissions, relay_cpu, own_cpu);
}

void command_hold(const struct options *options) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  uint64_t limit = now_ns() + HOLD_LIMIT_NS;
  double relay_cpu = cpu_seconds(options->pid);
  while (completed + failed < (uint64_t)options->count && now_ns() < limit) {
    fill(options, (uint64_t)options->count, now_ns());
    turn_once(options, true);
  }
  printf("{\"held\":%llu,\"failed\":%llu,\"fault\":\"%s\",\"retransmissions\":%llu,\"relayCpu\":%.4f}\n",
         (unsigned long long)completed, (unsigned long long)failed, first_fault,
         (unsigned long long)session_retransmissions, cpu_seconds(options->pid) - relay_cpu);
}

/* Starts clients until as many as wanted run. */
static void fill(const struct options *options, uint64_t limit, uint64_t now) {
  for (int i = 0; i < options->parallel && i < MAX_PARALLEL && started < limit; i++) {
    if (running[i]) continue;
    struct sockaddr_in client = at_port(&options->client, (int)(started++ % PORT_SPAN));
    session_start(&sessions[i], options, &client, now);
    running[i] = true;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &sessions[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, sessions[i].fd, &event) != 0) die("epoll_ctl");
  }
}

static void turn_once(const struct options *options, bool hold) {
  static uint64_t ticked;
  struct epoll_event events[MAX_PARALLEL];
  int ready = epoll_wait(epoll, events, MAX_PARALLEL, 10);
  uint64_t now = now_ns();
  for (int i = 0; i < ready; i++) {
    struct session *session = events[i].data.ptr;
    session_receive(session, options, now);
    if (session->step == STEP_READY && !hold) session_refresh(session, options, 0, now);
    if (session->step >= STEP_READY) finish(session);
  }
  if (now - ticked < TICK_NS) return;
  ticked = now;
  for (int i = 0; i < options->parallel && i < MAX_PARALLEL; i++) {
    if (!running[i]) continue;
    session_tick(&sessions[i], now);
    if (sessions[i].step == STEP_FAILED) finish(&sessions[i]);
  }
}

static void finish(struct session *session) {
  if (session->step == STEP_FAILED) {
    if (failed++ == 0) snprintf(first_fault, sizeof first_fault, "%s", session->fault);
  } else {
    completed++;
  }
  close(session->fd);
  running[session - sessions] = false;
}
