/*
 * New sessions through a relay that has something like them: two clients meet (pairs, WireGuard), or a client is heard by the peer for the first
 * time (forwards). They are left behind: the relay has them until it takes them for idle.
 *
 * As many as --parallel at a time, one batch after the other, until --count are there or --seconds are over. WireGuard's are joined one by one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "flows.h"
#include "pair.h"
#include "util.h"
#include "wireguard.h"

#define PARALLEL_MAX 256
#define PORT_SPAN 50000
#define REPEAT_NS (200 * NS_PER_MS)
#define BATCH_NS (10 * NS_PER_SECOND)
#define HELLO_BYTES 64

struct guest {
  struct ends ends;
  bool met;
  size_t length;
  uint8_t hello[HELLO_BYTES];
};

static struct guest guests[PARALLEL_MAX];
static int upstream, epoll;

static int meet_batch(const struct options *options, uint32_t first, int count);
static int meet_one(const struct options *options, uint32_t serial);
static void arrive(struct guest *guest, const struct options *options, uint32_t serial);
static void call(struct guest *guest);
static int listen_once(const struct options *options, uint32_t first, int count);
static void leave(struct guest *guest);

void command_meet(const struct options *options) {
  bool forward = options->protocol == PROTOCOL_FORWARD, endless = options->count == 0;
  int parallel = options->parallel < PARALLEL_MAX ? options->parallel : PARALLEL_MAX;
  if (forward) upstream = udp_socket(&options->peer);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  uint64_t start = now_ns(), until = start + (uint64_t)(options->seconds * 1e9);
  double relay_cpu = cpu_seconds(options->pid);
  uint32_t met = 0;
  while (endless ? now_ns() < until : met < (uint32_t)options->count) {
    int left = endless ? parallel : options->count - (int)met;
    if (options->protocol == PROTOCOL_WIREGUARD) met += (uint32_t)meet_one(options, met);
    else met += (uint32_t)meet_batch(options, met, left < parallel ? left : parallel);
  }
  relay_cpu = cpu_seconds(options->pid) - relay_cpu;
  printf("{\"seconds\":%.6f,\"met\":%u,\"relayCpu\":%.4f}\n", (double)(now_ns() - start) / 1e9, met, relay_cpu);
}

static int meet_one(const struct options *options, uint32_t serial) {
  struct sockaddr_in client = at_port(&options->client, (int)(serial % PORT_SPAN)), peer = at_port(&options->peer, (int)(serial % PORT_SPAN));
  struct ends ends = {.fds = {udp_connected(&client, &options->relay), udp_connected(&peer, &options->relay)}};
  if (!wireguard_join(&ends, serial, now_ns() + BATCH_NS)) die_plain("the relay did not join two clients in time");
  close(ends.fds[0]);
  close(ends.fds[1]);
  return 1;
}

static int meet_batch(const struct options *options, uint32_t first, int count) {
  uint64_t deadline = now_ns() + BATCH_NS;
  for (int i = 0; i < count; i++) arrive(&guests[i], options, first + (uint32_t)i);
  for (int left = count; left > 0;) {
    if (now_ns() > deadline) die_plain("the relay did not make a session in time");
    for (int i = 0; i < count; i++) call(&guests[i]);
    for (uint64_t until = now_ns() + REPEAT_NS; left > 0 && now_ns() < until;) left -= listen_once(options, first, count);
  }
  for (int i = 0; i < count; i++) leave(&guests[i]);
  return count;
}

static void arrive(struct guest *guest, const struct options *options, uint32_t serial) {
  struct sockaddr_in client = at_port(&options->client, (int)(serial % PORT_SPAN));
  bool pair = options->protocol == PROTOCOL_PAIR;
  guest->met = false;
  guest->ends.fds[0] = udp_connected(&client, &options->relay);
  guest->ends.fds[1] = -1;
  guest->length = HELLO_BYTES;
  memset(guest->hello, 0x5a, sizeof guest->hello);
  memcpy(guest->hello, &serial, sizeof serial);
  if (!pair) return;
  struct sockaddr_in peer = at_port(&options->peer, (int)(serial % PORT_SPAN));
  guest->ends.fds[1] = udp_connected(&peer, &options->relay);
  guest->length = pair_handshake(guest->hello, options->key, serial);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = guest};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, guest->ends.fds[0], &event) != 0) die("epoll_ctl");
}

static void call(struct guest *guest) {
  for (int i = 0; i < 2 && !guest->met; i++) {
    /* A refusal of an earlier one is reported here. */
    if (guest->ends.fds[i] >= 0 && send(guest->ends.fds[i], guest->hello, guest->length, MSG_DONTWAIT) < 0) errno = 0;
  }
}

/* How many met by what arrived. */
static int listen_once(const struct options *options, uint32_t first, int count) {
  uint8_t packet[2048];
  int met = 0;
  if (options->protocol == PROTOCOL_FORWARD) {
    ssize_t length = recv(upstream, packet, sizeof packet, MSG_DONTWAIT);
    uint32_t serial;
    memcpy(&serial, packet, sizeof serial);
    if (length != HELLO_BYTES || serial - first >= (uint32_t)count || guests[serial - first].met) return 0;
    guests[serial - first].met = true;
    return 1;
  }
  struct epoll_event events[PARALLEL_MAX];
  int ready = epoll_wait(epoll, events, PARALLEL_MAX, 0);
  for (int i = 0; i < ready; i++) {
    struct guest *guest = events[i].data.ptr;
    ssize_t length = recv(guest->ends.fds[0], packet, sizeof packet, MSG_DONTWAIT);
    if (length != (ssize_t)guest->length || memcmp(packet, guest->hello, guest->length) != 0 || guest->met) continue;
    guest->met = true;
    met++;
  }
  return met;
}

/* A pair has data each way first, so that the relay's road for it exists in both directions. */
static void leave(struct guest *guest) {
  static const uint8_t data[8] = "through";
  for (int i = 0; i < 2; i++) {
    if (guest->ends.fds[i] < 0) continue;
    if (guest->ends.fds[1] >= 0 && send(guest->ends.fds[i], data, sizeof data, MSG_DONTWAIT) < 0) errno = 0;
    close(guest->ends.fds[i]);
  }
}
