#ifndef CULVERT_BENCH_BLAKE2S_H
#define CULVERT_BENCH_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

/* BLAKE2s (RFC 7693) of at most 256 bytes; `key_length` may be 0, at most 32. */
void blake2s(uint8_t *digest, size_t digest_length, const uint8_t *key, size_t key_length, const uint8_t *data, size_t length);

#endif
