#ifndef CULVERT_BENCH_SHA256_H
#define CULVERT_BENCH_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

/* HMAC-SHA256 (RFC 2104) with a key of at most 64 bytes over a message of at most 256: the MAC of a pair's handshake. */
void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t mac[SHA256_BYTES]);

#endif
