#include "flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "util.h"
#include "wireguard.h"

#define MAGIC 0xc01fe47bu
#define CHANNEL_HEADER_BYTES 4
#define REFRESH_SECONDS 600
#define SETUP_NS (20 * NS_PER_SECOND)
#define TRY_NS (100 * NS_PER_MS)

static void open_ends(struct flows *flows, const struct options *options);
static void learn_clients(struct flows *flows, const struct options *options);
static void join_ends(struct flows *flows, const struct options *options);
static void open_sessions(struct flows *flows, const struct options *options);
static void run_sessions(struct flows *flows, const struct options *options, enum step until);

void flows_open(struct flows *flows, const struct options *options) {
  flows->count = options->flows;
  switch (options->protocol) {
    case PROTOCOL_TURN:
      flows->client.frame = FRAME_CHANNEL;
      flows->peer.shared = true;
      flows->peer.fds[0] = udp_socket(&options->peer);
      return open_sessions(flows, options);
    case PROTOCOL_PAIR:
    case PROTOCOL_WIREGUARD:
      return join_ends(flows, options);
    case PROTOCOL_FORWARD:
      open_ends(flows, options);
      return learn_clients(flows, options);
    case PROTOCOL_SELF:
    case PROTOCOL_PORTS:
      return open_ends(flows, options);
  }
}

int flows_refresh(struct flows *flows, const struct options *options) {
  if (options->protocol != PROTOCOL_TURN) return 0;
  uint64_t before = session_stale;
  for (int i = 0; i < flows->count; i++) session_refresh(&flows->sessions[i], options, REFRESH_SECONDS, now_ns());
  run_sessions(flows, options, STEP_DONE);
  return (int)(session_stale - before);
}

void flows_close(struct flows *flows, const struct options *options) {
  if (options->protocol == PROTOCOL_TURN) {
    for (int i = 0; i < flows->count; i++) session_refresh(&flows->sessions[i], options, 0, now_ns());
    run_sessions(flows, options, STEP_DONE);
  }
  for (int i = 0; i < flows->count; i++) close(flows->client.fds[i]);
  for (int i = 0; i < (flows->peer.shared ? 1 : flows->count); i++) close(flows->peer.fds[i]);
}

static void open_ends(struct flows *flows, const struct options *options) {
  bool self = options->protocol == PROTOCOL_SELF;
  flows->peer.shared = true;
  flows->peer.fds[0] = udp_socket(&options->peer);
  for (int i = 0; i < flows->count; i++) {
    struct sockaddr_in client = at_port(&options->client, i);
    flows->client.fds[i] = udp_connected(&client, self ? &options->peer : &options->relay);
    flows->peer.to[i] = self ? client : at_port(&options->back, i);
  }
}

/*
 * The first packet of each flow tells the peer where its answers go. One flow after the other: socat takes what others sent meanwhile for
 * packets of the client that it just forked for.
 */
static void learn_clients(struct flows *flows, const struct options *options) {
  uint8_t packet[PAYLOAD_MAX];
  for (uint32_t i = 0; i < (uint32_t)flows->count; i++) {
    uint64_t deadline = now_ns() + SETUP_NS;
    for (bool known = false; !known;) {
      if (now_ns() > deadline) die_plain("the relay did not bring the first packet of every flow in time");
      size_t length = packet_write(packet, &flows->client, &flows->peer, i, options->size, 0);
      packet_send(&flows->client, i, packet, length);
      for (uint64_t until = now_ns() + TRY_NS; !known && now_ns() < until;) {
        struct mark mark;
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(flows->peer.fds[0], packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (got < 0 || !packet_read(&mark, packet, (size_t)got, &flows->peer, 0, options) || mark.flow != i) continue;
        known = true;
        flows->peer.to[i] = from;
      }
    }
    usleep(500);
  }
}

/* One flow after the other, so that a relay which has to guess who is meant has few to guess from. */
static void join_ends(struct flows *flows, const struct options *options) {
  bool wireguard = options->protocol == PROTOCOL_WIREGUARD;
  flows->client.frame = flows->peer.frame = wireguard ? FRAME_WIREGUARD : FRAME_NONE;
  for (int i = 0; i < flows->count; i++) {
    struct sockaddr_in client = at_port(&options->client, i), peer = at_port(&options->peer, i);
    flows->client.fds[i] = udp_connected(&client, &options->relay);
    flows->peer.fds[i] = udp_connected(&peer, &options->relay);
    uint64_t deadline = now_ns() + SETUP_NS;
    struct ends ends = {.fds = {flows->client.fds[i], flows->peer.fds[i]}};
    bool joined = wireguard ? wireguard_join(&ends, (uint32_t)i, deadline) : pair_join(&ends, options->key, (uint32_t)i, deadline);
    if (!joined) die_plain("the relay did not join two clients in time");
    flows->client.own[i] = ends.own[0];
    flows->peer.own[i] = ends.own[1];
  }
}

static void open_sessions(struct flows *flows, const struct options *options) {
  for (int i = 0; i < flows->count; i++) {
    struct sockaddr_in client = at_port(&options->client, i);
    session_start(&flows->sessions[i], options, &client, now_ns());
  }
  run_sessions(flows, options, STEP_READY);
  for (int i = 0; i < flows->count; i++) {
    flows->client.fds[i] = flows->sessions[i].fd;
    flows->peer.to[i] = flows->sessions[i].relayed;
  }
}

static void run_sessions(struct flows *flows, const struct options *options, enum step until) {
  uint64_t deadline = now_ns() + SETUP_NS;
  for (int left = flows->count; left > 0;) {
    uint64_t now = now_ns();
    if (now > deadline) die_plain("the relay did not set up all flows in time");
    left = 0;
    for (int i = 0; i < flows->count; i++) {
      struct session *session = &flows->sessions[i];
      session_receive(session, options, now);
      session_tick(session, now);
      if (session->step == STEP_FAILED) die_plain(session->fault);
      if (session->step != until) left++;
    }
    if (left > 0) usleep(500);
  }
}

static size_t header_bytes(enum frame frame) {
  return frame == FRAME_CHANNEL ? CHANNEL_HEADER_BYTES : frame == FRAME_WIREGUARD ? WIREGUARD_HEADER_BYTES : 0;
}

size_t packet_write(uint8_t *packet, const struct side *from, const struct side *to, uint32_t flow, int size, uint64_t stamp) {
  struct mark mark = {.magic = MAGIC, .flow = flow, .stamp = stamp};
  size_t header = header_bytes(from->frame);
  if (from->frame == FRAME_CHANNEL) {
    uint16_t words[2] = {htons(SESSION_CHANNEL), htons((uint16_t)size)};
    memcpy(packet, words, sizeof words);
  } else if (from->frame == FRAME_WIREGUARD) {
    wireguard_data_header(packet, to->own[flow]);
  }
  memcpy(packet + header, &mark, sizeof mark);
  return (size_t)size + header;
}

bool packet_read(struct mark *mark, const uint8_t *packet, size_t length, const struct side *at, uint32_t place, const struct options *options) {
  size_t header = header_bytes(at->frame);
  if (length != (size_t)options->size + header) return false;
  if (at->frame == FRAME_CHANNEL) {
    uint16_t words[2];
    memcpy(words, packet, sizeof words);
    if (ntohs(words[0]) != SESSION_CHANNEL || ntohs(words[1]) != options->size) return false;
  }
  memcpy(mark, packet + header, sizeof *mark);
  if (mark->magic != MAGIC || mark->flow >= (uint32_t)options->flows) return false;
  if (!at->shared && mark->flow != place) return false;
  return at->frame != FRAME_WIREGUARD || wireguard_is_data_for(packet, at->own[mark->flow]);
}

bool packet_send(const struct side *from, uint32_t flow, const uint8_t *packet, size_t length) {
  if (!from->shared) return send(from->fds[flow], packet, length, MSG_DONTWAIT) >= 0;
  const struct sockaddr_in *to = &from->to[flow];
  return sendto(from->fds[0], packet, length, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof *to) >= 0;
}
