/*
 * Saturates TCP connections one way and counts the bytes that arrive.
 *
 * So that the load is no bottleneck it sends one megabyte over and over, which stays in the cache, and has the kernel throw away what arrives.
 * One read in 64 is a true one and is compared with what was sent. (sendfile would cost the load no less, and a relay more: its reads then
 * gather single pages.)
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "commands.h"
#include "flows.h"
#include "tcp.h"
#include "util.h"

#define PATTERN_BYTES (1 << 20)
#define SEND_BYTES (256 << 10)
#define DISCARD_BYTES (4 << 20)
#define TRUE_READ_BYTES 4096
#define TRUE_READ_EVERY 64

struct end {
  int fd;
  bool sends;
  off_t at; /* in the stream, of the bytes sent or received */
};

static struct end ends[2 * MAX_FLOWS];
static uint8_t pattern[PATTERN_BYTES];
static uint64_t received, altered, reads, idle_ns;

static void fill_pattern(void);
static void run(int epoll, uint64_t until);
static void send_some(struct end *end);
static void receive_some(struct end *end);

void command_stream(const struct options *options) {
  int connected[MAX_FLOWS], accepted[MAX_FLOWS], epoll = epoll_create1(EPOLL_CLOEXEC);
  fill_pattern();
  tcp_open(&options->relay, tcp_listen(&options->peer), options->flows, connected, accepted);
  for (int i = 0; i < 2 * options->flows; i++) {
    bool accepting = i >= options->flows;
    ends[i] = (struct end){.fd = accepting ? accepted[i - options->flows] : connected[i], .sends = accepting == options->down};
    struct epoll_event event = {.events = ends[i].sends ? EPOLLOUT : EPOLLIN, .data.ptr = &ends[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, ends[i].fd, &event) != 0) die("epoll_ctl");
  }

  run(epoll, now_ns() + (uint64_t)(options->warm_up * 1e9));
  uint64_t start = now_ns(), before = received, idle_before = idle_ns;
  double relay_cpu = cpu_seconds(options->pid), own_cpu = own_cpu_seconds();
  run(epoll, start + (uint64_t)(options->seconds * 1e9));
  relay_cpu = cpu_seconds(options->pid) - relay_cpu;
  own_cpu = own_cpu_seconds() - own_cpu;
  double elapsed = (double)(now_ns() - start) / 1e9;
  printf("{\"seconds\":%.6f,\"bytes\":%llu,\"altered\":%llu,\"relayCpu\":%.4f,\"loadCpu\":%.4f,\"loadIdle\":%.4f}\n", elapsed,
         (unsigned long long)(received - before), (unsigned long long)altered, relay_cpu, own_cpu,
         (double)(idle_ns - idle_before) / 1e9 / elapsed);
}

static void fill_pattern(void) {
  uint32_t state = 0x9e3779b9u;
  for (size_t i = 0; i < PATTERN_BYTES; i++) {
    state = state * 1664525u + 1013904223u;
    pattern[i] = (uint8_t)(state >> 24);
  }
}

static void run(int epoll, uint64_t until) {
  struct epoll_event events[2 * MAX_FLOWS];
  for (uint64_t now = now_ns(); now < until; now = now_ns()) {
    int ready = epoll_wait(epoll, events, 2 * MAX_FLOWS, 10);
    idle_ns += now_ns() - now;
    for (int i = 0; i < ready; i++) {
      struct end *end = events[i].data.ptr;
      if (end->sends) send_some(end);
      else receive_some(end);
    }
  }
}

static void send_some(struct end *end) {
  off_t offset = end->at % PATTERN_BYTES, most = PATTERN_BYTES - offset;
  ssize_t sent = send(end->fd, pattern + offset, (size_t)(most < SEND_BYTES ? most : SEND_BYTES), MSG_NOSIGNAL);
  if (sent > 0) end->at += sent;
  else if (sent < 0 && errno != EAGAIN) die("the relay closed a connection: send");
}

static void receive_some(struct end *end) {
  static uint8_t bytes[TRUE_READ_BYTES];
  bool truly = ++reads % TRUE_READ_EVERY == 0;
  ssize_t length = truly ? recv(end->fd, bytes, sizeof bytes, 0) : recv(end->fd, NULL, DISCARD_BYTES, MSG_TRUNC);
  if (length == 0) die_plain("the relay closed a connection");
  if (length < 0) {
    if (errno != EAGAIN) die("recv");
    return;
  }
  for (ssize_t i = 0; truly && i < length; i++) {
    if (bytes[i] != pattern[(end->at + i) % PATTERN_BYTES]) altered++;
  }
  end->at += length;
  received += (uint64_t)length;
}
