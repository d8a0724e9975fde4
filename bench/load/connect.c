/*
 * New connections, many at a time: connect, request of 64 bytes, reply of 64 bytes, and the upstream closes, as with HTTP/1.0. So the side
 * that connects keeps no ports in TIME_WAIT, neither the load's nor the relay's.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "tcp.h"
#include "util.h"

#define MESSAGE_BYTES 64
#define EVENTS 1024
#define PATIENCE_NS (10 * NS_PER_SECOND)

enum kind { LISTENER, CLIENT, UPSTREAM };

static int epoll, running;
static uint64_t completed, failed;

static void turn_once(const struct options *options, int listener);
static void watch(int fd, enum kind kind, uint32_t events);
static void serve_client(int fd, uint32_t events);
static void expect(int fd, uint32_t events);
static void serve_upstream(int fd);
static void finish(int fd, bool good);

void command_connect(const struct options *options) {
  int listener = tcp_listen(&options->peer);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  watch(listener, LISTENER, EPOLLIN);
  for (uint64_t until = now_ns() + (uint64_t)(options->warm_up * 1e9); now_ns() < until;) turn_once(options, listener);

  uint64_t start = now_ns(), before = completed;
  double relay_cpu = cpu_seconds(options->pid), own_cpu = own_cpu_seconds();
  uint64_t until = start + (uint64_t)(options->seconds * 1e9);
  /* A relay that forks, on a busy core, may need longer for its first one than a short run has. */
  while (now_ns() < until || (completed == before && now_ns() < until + PATIENCE_NS)) turn_once(options, listener);
  relay_cpu = cpu_seconds(options->pid) - relay_cpu;
  own_cpu = own_cpu_seconds() - own_cpu;
  printf("{\"seconds\":%.6f,\"connections\":%llu,\"failed\":%llu,\"relayCpu\":%.4f,\"loadCpu\":%.4f}\n",
         (double)(now_ns() - start) / 1e9, (unsigned long long)(completed - before), (unsigned long long)failed, relay_cpu, own_cpu);
}

static void turn_once(const struct options *options, int listener) {
  struct epoll_event events[EVENTS];
  for (; running < options->parallel; running++) watch(tcp_connect(&options->relay), CLIENT, EPOLLOUT);
  int ready = epoll_wait(epoll, events, EVENTS, 10);
  for (int i = 0; i < ready; i++) {
    int fd = (int)(uint32_t)events[i].data.u64;
    switch ((enum kind)(events[i].data.u64 >> 32)) {
      case LISTENER:
        for (int accepted; (accepted = tcp_accept(listener)) >= 0;) watch(accepted, UPSTREAM, EPOLLIN);
        break;
      case CLIENT: serve_client(fd, events[i].events); break;
      case UPSTREAM: serve_upstream(fd); break;
    }
  }
}

static void watch(int fd, enum kind kind, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | (uint32_t)fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

/* Connected: the request. Then the reply, in one piece or several, and its end. */
static void serve_client(int fd, uint32_t events) {
  static const uint8_t request[MESSAGE_BYTES] = "request";
  uint8_t reply[2 * MESSAGE_BYTES];
  if ((events & EPOLLOUT) != 0) {
    if (send(fd, request, sizeof request, MSG_NOSIGNAL) != sizeof request) return finish(fd, false);
    return expect(fd, EPOLLIN);
  }
  /* The reply, then its end; EPOLLRDHUP is asked for once the reply is there, so an end without one is no success. */
  ssize_t length = recv(fd, reply, sizeof reply, 0);
  if (length == MESSAGE_BYTES) {
    length = recv(fd, reply, sizeof reply, 0);
    if (length == 0) return finish(fd, true);
    if (length > 0 || errno != EAGAIN) return finish(fd, false);
    return expect(fd, EPOLLIN | EPOLLRDHUP);
  }
  finish(fd, length == 0 && (events & EPOLLRDHUP) != 0);
}

static void expect(int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)CLIENT << 32 | (uint32_t)fd};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0) die("epoll_ctl");
}

static void serve_upstream(int fd) {
  uint8_t message[MESSAGE_BYTES];
  ssize_t length = recv(fd, message, sizeof message, 0);
  if (length < 0 && errno == EAGAIN) return;
  /* Whether that went well is for the client to say: what comes here may be left over from a run before. */
  if (length == MESSAGE_BYTES) (void)!send(fd, message, sizeof message, MSG_NOSIGNAL);
  close(fd);
}

static void finish(int fd, bool good) {
  if (good) completed++;
  else failed++;
  close(fd);
  running--;
}
