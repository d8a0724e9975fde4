#ifndef CULVERT_BENCH_WIREGUARD_H
#define CULVERT_BENCH_WIREGUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "pair.h"

#define WIREGUARD_HEADER_BYTES 16
#define WIREGUARD_KEY_BYTES 32

/*
 * A handshake between the ends of flow `serial`, as a relay sees it: right types, lengths, indices and mac1, random bytes where the cryptography
 * would be. The ends have public_key(2 * serial) and public_key(2 * serial + 1). Gives each end its index. False when the deadline passes.
 */
bool wireguard_join(struct ends *ends, uint32_t serial, uint64_t deadline);
void wireguard_data_header(uint8_t *packet, uint32_t receiver);
bool wireguard_is_data_for(const uint8_t *packet, uint32_t receiver);

#endif
