#ifndef CULVERT_BENCH_FLOWS_H
#define CULVERT_BENCH_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

#define MAX_FLOWS 1024
#define BATCH 16
#define PAYLOAD_MAX 1400

/* What a data packet starts with, so that the sink knows its own packets and counts no others. */
struct mark {
  uint32_t magic;
  uint32_t flow;
  uint64_t stamp; /* rtt: when it was sent */
};

/* What stands before the payload on the wire. */
enum frame { FRAME_NONE, FRAME_CHANNEL, FRAME_WIREGUARD };

/* One end of all flows. */
struct side {
  enum frame frame;
  bool shared; /* one socket, fds[0], for all flows: packets are addressed. Else a connected one each. */
  int fds[MAX_FLOWS];
  struct sockaddr_in to[MAX_FLOWS]; /* shared: where flow i's packets go */
  uint32_t own[MAX_FLOWS];          /* WireGuard: the index that packets to this end carry */
};

struct flows {
  int count;
  struct side client, peer;
  struct session sessions[MAX_FLOWS]; /* TURN */
};

/* Opens the sockets and has the relay join the two ends of each flow. Dies with the reason when that fails. */
void flows_open(struct flows *flows, const struct options *options);
/* TURN: refreshes every allocation with the nonce and the credentials that it has. Returns how many wanted another nonce; 0 for other protocols. */
int flows_refresh(struct flows *flows, const struct options *options);
void flows_close(struct flows *flows, const struct options *options);

/* Writes flow i's packet as `from` sends it to `to`; gives its length. */
size_t packet_write(uint8_t *packet, const struct side *from, const struct side *to, uint32_t flow, int size, uint64_t stamp);
/*
 * Takes the mark out of a packet that arrived at `at`, on the socket of flow `place` (of no matter which where they share one); false when it
 * is not one of ours, whole, at its place and of the length it was sent with.
 */
bool packet_read(struct mark *mark, const uint8_t *packet, size_t length, const struct side *at, uint32_t place, const struct options *options);
/* Sends it on its way; false when it did not leave. */
bool packet_send(const struct side *from, uint32_t flow, const uint8_t *packet, size_t length);

#endif
