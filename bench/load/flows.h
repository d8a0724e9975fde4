#ifndef CULVERT_BENCH_FLOWS_H
#define CULVERT_BENCH_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

#define MAX_FLOWS 256
#define BATCH 16
#define CHANNEL_HEADER_BYTES 4
#define PAYLOAD_MAX 1400

/* What a data packet starts with, so that the sink knows its own packets and counts no others. */
struct mark {
  uint32_t magic;
  uint32_t flow;
  uint64_t stamp; /* rtt: when it was sent */
};

struct flows {
  int count;
  bool framed; /* TURN: the client's side wears channel headers */
  int peer_fd;
  int client_fds[MAX_FLOWS];
  /* Where the peer sends to reach client i. */
  struct sockaddr_in towards_client[MAX_FLOWS];
  struct session sessions[MAX_FLOWS];
};

/* Opens the sockets and, with TURN, an allocation with one channel to the peer for each flow. Dies with the reason when that fails. */
void flows_open(struct flows *flows, const struct options *options);
void flows_close(struct flows *flows, const struct options *options);

/* Writes flow i's packet as the client sends it (`framed`) or as the peer does; gives its length. */
size_t packet_write(uint8_t *packet, bool framed, uint32_t flow, int size, uint64_t stamp);
/* Takes the mark out of a packet that arrived; false when it is not one of ours, whole and of the length it was sent with. */
bool packet_read(struct mark *mark, const uint8_t *packet, size_t length, bool framed, const struct flows *flows, int size);

#endif
