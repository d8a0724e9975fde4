#ifndef CULVERT_BENCH_SHA1_H
#define CULVERT_BENCH_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20

/* HMAC-SHA1 (RFC 2104) with a key of at most 64 bytes: MESSAGE-INTEGRITY's (RFC 8489 section 14.5). */
void hmac_sha1(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t mac[SHA1_BYTES]);

#endif
