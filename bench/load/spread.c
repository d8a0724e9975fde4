/* How many packets leave the relay for each that goes in: one at a time, and everything that arrives at any of the clients is counted. */
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "commands.h"
#include "flows.h"
#include "util.h"

#define PACKETS 200
/* Time for what a packet causes. */
#define SETTLE_NS (3 * NS_PER_MS)

static struct flows flows;
static uint64_t right, wrong;

static void watch(int epoll, const struct side *side, uint32_t first);
static void listen_for(int epoll, const struct options *options, uint64_t nanoseconds);

void command_spread(const struct options *options) {
  uint8_t packet[2048];
  flows_open(&flows, options);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, &flows.client, 0);
  watch(epoll, &flows.peer, MAX_FLOWS);
  listen_for(epoll, options, 100 * NS_PER_MS); /* handshakes that are still under way */
  right = wrong = 0;
  for (uint32_t i = 0; i < PACKETS; i++) {
    uint32_t flow = i % (uint32_t)flows.count;
    size_t length = packet_write(packet, &flows.client, &flows.peer, flow, options->size, 0);
    if (!packet_send(&flows.client, flow, packet, length)) die("send");
    listen_for(epoll, options, SETTLE_NS);
  }
  listen_for(epoll, options, 100 * NS_PER_MS);
  printf("{\"sent\":%d,\"right\":%llu,\"wrong\":%llu}\n", PACKETS, (unsigned long long)right, (unsigned long long)wrong);
  fflush(stdout);
  flows_close(&flows, options);
}

static void watch(int epoll, const struct side *side, uint32_t first) {
  for (int i = 0; i < (side->shared ? 1 : flows.count); i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = first + (uint32_t)i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, side->fds[i], &event) != 0) die("epoll_ctl");
  }
}

static void listen_for(int epoll, const struct options *options, uint64_t nanoseconds) {
  uint8_t packet[2048];
  struct epoll_event events[2 * MAX_FLOWS];
  struct mark mark;
  for (uint64_t until = now_ns() + nanoseconds; now_ns() < until;) {
    int ready = epoll_wait(epoll, events, 2 * MAX_FLOWS, 0);
    for (int i = 0; i < ready; i++) {
      uint32_t place = events[i].data.u32;
      bool at_peer = place >= MAX_FLOWS;
      const struct side *side = at_peer ? &flows.peer : &flows.client;
      if (at_peer) place -= MAX_FLOWS;
      ssize_t length = recv(side->fds[place], packet, sizeof packet, MSG_DONTWAIT);
      if (length < 0) continue;
      if (at_peer && packet_read(&mark, packet, (size_t)length, side, place, options)) right++;
      else wrong++;
    }
  }
}
