/*
 * A steady stream both ways, every packet numbered, until stdin ends: whatever happens to the relay meanwhile, each one that was sent has to arrive.
 *
 * A window bounds what is under way, so that no queue on the way overflows when the load gets no processor for a while; the rate falls then, and
 * is told.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "flows.h"
#include "util.h"

#define PACKET_BYTES 2048
#define BURST 12
/* For each direction. A veth holds 256 frames: four loads of two directions stay below that. */
#define WINDOW 28
#define CATCH_UP_NS (5 * NS_PER_MS)
/* Nothing for this long with a full window: what is under way was lost. */
#define LOST_NS (200 * NS_PER_MS)
#define DRAIN_NS (500 * NS_PER_MS)
/* Relay and load share the processors, and other loads. */
#define PAUSE_MICROSECONDS 20
#define NUMBERS (1u << 28)

/* One direction. */
struct stream {
  const struct side *from, *to;
  uint64_t sent, received, twice, given_up;
  uint64_t last_delivery, longest_silence;
  uint8_t *seen; /* a bit for each number */
};

static struct flows flows;
static uint8_t out_slots[BURST][PACKET_BYTES], in_slots[2 * BURST][PACKET_BYTES];
static struct iovec out_vectors[BURST], in_vectors[2 * BURST];
static struct mmsghdr out_messages[BURST], in_messages[2 * BURST];

static void prepare(void);
static void begin(struct stream *stream, const struct side *from, const struct side *to);
static bool stdin_ended(void);
static bool send_some(struct stream *stream, const struct options *options);
static bool receive(struct stream *stream, const struct options *options, uint64_t now);
static void note(struct stream *stream, uint64_t number, uint64_t now);
static uint64_t missing(const struct stream *stream);

void command_endure(const struct options *options) {
  flows_open(&flows, options);
  prctl(PR_SET_TIMERSLACK, 1000);
  prepare();
  struct stream streams[2];
  begin(&streams[0], &flows.client, &flows.peer);
  begin(&streams[1], &flows.peer, &flows.client);
  printf("{\"steady\":true}\n");
  fflush(stdout);

  uint64_t interval = NS_PER_SECOND * BURST / (uint64_t)options->rate, start = now_ns(), next = start, look = start;
  for (int turn = 0;;) {
    uint64_t now = now_ns();
    if (now >= look) {
      if (stdin_ended()) break;
      look = now + 10 * NS_PER_MS;
    }
    bool busy = now >= next && send_some(&streams[turn], options);
    if (busy) {
      turn = !turn;
      /* What was not sent in time is made up for within the window; after a longer sleep it is not. */
      next = now > next + CATCH_UP_NS ? now : next + interval;
    }
    for (int i = 0; i < 2; i++) busy |= receive(&streams[i], options, now);
    if (!busy) usleep(PAUSE_MICROSECONDS);
  }
  uint64_t end = now_ns();
  while (now_ns() < end + DRAIN_NS && missing(&streams[0]) + missing(&streams[1]) > 0)
    for (int i = 0; i < 2; i++) receive(&streams[i], options, end);

  int refresh = flows_refresh(&flows, options);
  uint64_t silence = streams[0].longest_silence > streams[1].longest_silence ? streams[0].longest_silence : streams[1].longest_silence;
  printf("{\"seconds\":%.3f,\"sent\":%llu,\"missing\":%llu,\"twice\":%llu,\"silence\":%.4f,\"refresh\":%d}\n",
         (double)(end - start) / 1e9, (unsigned long long)(streams[0].sent + streams[1].sent),
         (unsigned long long)(missing(&streams[0]) + missing(&streams[1])), (unsigned long long)(streams[0].twice + streams[1].twice),
         (double)silence / 1e9, refresh);
  fflush(stdout);
  flows_close(&flows, options);
}

static void prepare(void) {
  for (int i = 0; i < BURST; i++) {
    out_vectors[i].iov_base = out_slots[i];
    out_messages[i].msg_hdr.msg_iov = &out_vectors[i];
    out_messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (int i = 0; i < 2 * BURST; i++) {
    in_vectors[i] = (struct iovec){.iov_base = in_slots[i], .iov_len = PACKET_BYTES};
    in_messages[i].msg_hdr.msg_iov = &in_vectors[i];
    in_messages[i].msg_hdr.msg_iovlen = 1;
  }
}

static void begin(struct stream *stream, const struct side *from, const struct side *to) {
  *stream = (struct stream){.from = from, .to = to, .last_delivery = now_ns(), .seen = calloc(NUMBERS / 8, 1)};
  if (stream->seen == NULL) die("memory");
}

static bool stdin_ended(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char byte;
  return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) == 0;
}

/* False while the window is full. */
static bool send_some(struct stream *stream, const struct options *options) {
  uint64_t under_way = stream->sent - stream->received - stream->given_up;
  if (under_way + BURST > WINDOW) {
    uint64_t now = now_ns();
    if (now - stream->last_delivery > LOST_NS) {
      stream->given_up += under_way;
      stream->last_delivery = now;
    }
    return false;
  }
  const struct side *from = stream->from;
  for (int i = 0; i < BURST; i++) {
    /* Number 0 is every packet of a set-up. */
    out_vectors[i].iov_len = packet_write(out_slots[i], from, stream->to, 0, options->size, stream->sent + 1 + (uint64_t)i);
    out_messages[i].msg_hdr.msg_name = from->shared ? (void *)&from->to[0] : NULL;
    out_messages[i].msg_hdr.msg_namelen = from->shared ? sizeof from->to[0] : 0;
  }
  int sent = sendmmsg(from->fds[0], out_messages, BURST, MSG_DONTWAIT);
  if (sent > 0) stream->sent += (uint64_t)sent;
  if (stream->sent >= NUMBERS) die_plain("it lasted too long");
  return true;
}

/* False when there was nothing. */
static bool receive(struct stream *stream, const struct options *options, uint64_t now) {
  struct mark mark;
  int got = recvmmsg(stream->to->fds[0], in_messages, 2 * BURST, MSG_DONTWAIT, NULL);
  for (int i = 0; i < got; i++)
    if (packet_read(&mark, in_slots[i], in_messages[i].msg_len, stream->to, 0, options)) note(stream, mark.stamp, now);
  return got > 0;
}

static void note(struct stream *stream, uint64_t number, uint64_t now) {
  if (number == 0 || number > stream->sent) return;
  uint8_t bit = (uint8_t)(1u << (number % 8));
  if (stream->seen[number / 8] & bit) {
    stream->twice++;
    return;
  }
  stream->seen[number / 8] |= bit;
  stream->received++;
  if (now > stream->last_delivery + stream->longest_silence) stream->longest_silence = now - stream->last_delivery;
  stream->last_delivery = now;
}

static uint64_t missing(const struct stream *stream) { return stream->sent - stream->received; }
