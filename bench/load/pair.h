#ifndef CULVERT_BENCH_PAIR_H
#define CULVERT_BENCH_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "stun.h"

/* Two sockets that are connected to the relay, and with WireGuard the indices that they chose. */
struct ends {
  int fds[2];
  uint32_t own[2];
};

/* Handshakes of udp-relay 0.8.2 from both ends until the first hears of the second, then a packet each way. False when the deadline passes. */
bool pair_join(struct ends *ends, const uint8_t key[STUN_KEY_BYTES], uint32_t serial, uint64_t deadline);

/* The handshake of a new pair, 56 bytes; gives its length. */
size_t pair_handshake(uint8_t *packet, const uint8_t key[STUN_KEY_BYTES], uint32_t serial);

#endif
