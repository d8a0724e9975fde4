/*
 * Saturates the data path one way and counts what is delivered.
 *
 * One thread sends and receives in turn, so that neither starves the other. With a window it sends only while fewer than that many
 * packets are under way: the relay always has work and nothing is lost, which shows its best. Without, it floods: what then arrives
 * shows how the relay stands being offered more than it can do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "commands.h"
#include "flows.h"
#include "util.h"

#define SLOT_BYTES 2048
#define DRAIN 64
/* Nothing for this long with a full window: what is under way was lost. */
#define LOST_NS (5 * NS_PER_MS)

struct counts {
  uint64_t sent, received, alien, lost;
  uint64_t idle_ns; /* spent on turns of the loop that found nothing to do */
};

static struct flows flows;
static struct side *source, *sink;
static struct counts counts;
static uint8_t out_slots[BATCH][SLOT_BYTES], in_slots[DRAIN][SLOT_BYTES];
static struct iovec out_vectors[BATCH], in_vectors[DRAIN];
static struct mmsghdr out_messages[BATCH], in_messages[DRAIN];
static uint32_t next_flow;

static void prepare(void);
static void run(const struct options *options, int epoll, uint64_t until);
static void send_batch(const struct options *options);
static void drain_ready(const struct options *options, int epoll);
static void drain(const struct options *options, int fd);
static void count(const struct options *options, const uint8_t *packet, size_t length, uint32_t place);

void command_data(const struct options *options) {
  flows_open(&flows, options);
  prepare();
  source = options->down ? &flows.peer : &flows.client;
  sink = options->down ? &flows.client : &flows.peer;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < flows.count && !sink->shared; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, sink->fds[i], &event) != 0) die("epoll_ctl");
  }

  run(options, epoll, now_ns() + (uint64_t)(options->warm_up * 1e9));
  struct counts before = counts;
  uint64_t start = now_ns();
  double relay_cpu = cpu_seconds(options->pid);
  run(options, epoll, start + (uint64_t)(options->seconds * 1e9));
  relay_cpu = cpu_seconds(options->pid) - relay_cpu;
  double elapsed = (double)(now_ns() - start) / 1e9;

  printf("{\"seconds\":%.6f,\"sent\":%llu,\"delivered\":%llu,\"alien\":%llu,\"lost\":%llu,\"relayCpu\":%.4f,\"loadIdle\":%.4f}\n",
         elapsed, (unsigned long long)(counts.sent - before.sent), (unsigned long long)(counts.received - before.received),
         (unsigned long long)(counts.alien - before.alien), (unsigned long long)(counts.lost - before.lost), relay_cpu,
         (double)(counts.idle_ns - before.idle_ns) / 1e9 / elapsed);
  fflush(stdout);
  flows_close(&flows, options);
}

static void prepare(void) {
  for (int i = 0; i < BATCH; i++) {
    out_vectors[i].iov_base = out_slots[i];
    out_messages[i].msg_hdr.msg_iov = &out_vectors[i];
    out_messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (int i = 0; i < DRAIN; i++) {
    in_vectors[i].iov_base = in_slots[i];
    in_vectors[i].iov_len = SLOT_BYTES;
    in_messages[i].msg_hdr.msg_iov = &in_vectors[i];
    in_messages[i].msg_hdr.msg_iovlen = 1;
  }
}

static void run(const struct options *options, int epoll, uint64_t until) {
  uint64_t last_delivery = now_ns(), now = last_delivery;
  for (bool idle = false;;) {
    uint64_t before = now;
    now = now_ns();
    if (idle) counts.idle_ns += now - before;
    if (now >= until) return;
    /* Signed: a packet given up for lost may still arrive. */
    int64_t under_way = (int64_t)(counts.sent - counts.received - counts.lost);
    bool room = options->window == 0 || under_way + BATCH <= options->window;
    if (room) send_batch(options);

    uint64_t received = counts.received;
    if (sink->shared || flows.count == 1)
      drain(options, sink->fds[0]);
    else
      drain_ready(options, epoll);
    idle = counts.received == received && !room;
    if (!idle) {
      last_delivery = now;
    } else if (now - last_delivery > LOST_NS && under_way > 0) {
      counts.lost += (uint64_t)under_way;
    }
  }
}

/* The next packets, flow after flow: with more than one flow no two neighbours belong together. */
static void send_batch(const struct options *options) {
  bool one_socket = source->shared || flows.count == 1;
  for (int i = 0; i < BATCH; i++) {
    uint32_t flow = next_flow++ % (uint32_t)flows.count;
    out_vectors[i].iov_len = packet_write(out_slots[i], source, sink, flow, options->size, 0);
    if (source->shared) {
      out_messages[i].msg_hdr.msg_name = &source->to[flow];
      out_messages[i].msg_hdr.msg_namelen = sizeof source->to[flow];
    } else if (!one_socket) {
      if (packet_send(source, flow, out_slots[i], out_vectors[i].iov_len)) counts.sent++;
    }
  }
  if (!one_socket) return;
  int sent = sendmmsg(source->fds[0], out_messages, BATCH, 0);
  if (sent > 0) counts.sent += (uint64_t)sent;
}

static void drain_ready(const struct options *options, int epoll) {
  struct epoll_event events[MAX_FLOWS];
  int ready = epoll_wait(epoll, events, MAX_FLOWS, 0);
  for (int i = 0; i < ready; i++) {
    /* One packet is the rule here, and recv costs half of recvmmsg then; epoll names the socket again if there is more. */
    uint32_t place = events[i].data.u32;
    ssize_t length = recv(sink->fds[place], in_slots[0], SLOT_BYTES, MSG_DONTWAIT);
    if (length >= 0) count(options, in_slots[0], (size_t)length, place);
  }
}

static void drain(const struct options *options, int fd) {
  int got = recvmmsg(fd, in_messages, DRAIN, MSG_DONTWAIT, NULL);
  for (int i = 0; i < got; i++) count(options, in_slots[i], in_messages[i].msg_len, 0);
}

static void count(const struct options *options, const uint8_t *packet, size_t length, uint32_t place) {
  struct mark mark;
  if (packet_read(&mark, packet, length, sink, place, options))
    counts.received++;
  else
    counts.alien++;
}
