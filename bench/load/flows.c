#include "flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define MAGIC 0xc01fe47bu
#define SETUP_NS (10 * NS_PER_SECOND)

static void open_sessions(struct flows *flows, const struct options *options);
static void run_sessions(struct flows *flows, const struct options *options, enum step until);

void flows_open(struct flows *flows, const struct options *options) {
  flows->count = options->flows;
  flows->framed = options->back.sin_port == 0 && options->relay.sin_port != 0;
  flows->peer_fd = udp_socket(&options->peer);
  if (flows->framed) return open_sessions(flows, options);

  for (int i = 0; i < flows->count; i++) {
    struct sockaddr_in client = at_port(&options->client, i);
    /* Without a relay (self) the two sides talk to each other. */
    const struct sockaddr_in *remote = options->relay.sin_port != 0 ? &options->relay : &options->peer;
    flows->client_fds[i] = udp_socket(&client);
    if (connect(flows->client_fds[i], (const struct sockaddr *)remote, sizeof *remote) != 0) die("connect");
    flows->towards_client[i] = options->back.sin_port != 0 ? at_port(&options->back, i) : client;
  }
}

void flows_close(struct flows *flows, const struct options *options) {
  if (flows->framed) {
    for (int i = 0; i < flows->count; i++) session_release(&flows->sessions[i], options, now_ns());
    run_sessions(flows, options, STEP_DONE);
  }
  for (int i = 0; i < flows->count; i++) close(flows->client_fds[i]);
  close(flows->peer_fd);
}

static void open_sessions(struct flows *flows, const struct options *options) {
  for (int i = 0; i < flows->count; i++) {
    struct sockaddr_in client = at_port(&options->client, i);
    session_start(&flows->sessions[i], options, &client, now_ns());
  }
  run_sessions(flows, options, STEP_READY);
  for (int i = 0; i < flows->count; i++) {
    flows->client_fds[i] = flows->sessions[i].fd;
    flows->towards_client[i] = flows->sessions[i].relayed;
  }
}

static void run_sessions(struct flows *flows, const struct options *options, enum step until) {
  uint64_t deadline = now_ns() + SETUP_NS;
  for (int left = flows->count; left > 0;) {
    uint64_t now = now_ns();
    errno = 0;
    if (now > deadline) die("the relay did not set up all flows in time");
    left = 0;
    for (int i = 0; i < flows->count; i++) {
      struct session *session = &flows->sessions[i];
      session_receive(session, options, now);
      session_tick(session, now);
      errno = 0;
      if (session->step == STEP_FAILED) die(session->fault);
      if (session->step != until) left++;
    }
    if (left > 0) usleep(500);
  }
}

size_t packet_write(uint8_t *packet, bool framed, uint32_t flow, int size, uint64_t stamp) {
  struct mark mark = {.magic = MAGIC, .flow = flow, .stamp = stamp};
  if (framed) {
    uint16_t header[2] = {htons(SESSION_CHANNEL), htons((uint16_t)size)};
    memcpy(packet, header, sizeof header);
    packet += sizeof header;
  }
  memcpy(packet, &mark, sizeof mark);
  return (size_t)size + (framed ? CHANNEL_HEADER_BYTES : 0);
}

bool packet_read(struct mark *mark, const uint8_t *packet, size_t length, bool framed, const struct flows *flows, int size) {
  if (framed) {
    uint16_t header[2];
    if (length < CHANNEL_HEADER_BYTES) return false;
    memcpy(header, packet, sizeof header);
    if (ntohs(header[0]) != SESSION_CHANNEL || ntohs(header[1]) != size) return false;
    packet += CHANNEL_HEADER_BYTES;
    length -= CHANNEL_HEADER_BYTES;
  }
  if (length != (size_t)size) return false;
  memcpy(mark, packet, sizeof *mark);
  return mark->magic == MAGIC && mark->flow < (uint32_t)flows->count;
}
