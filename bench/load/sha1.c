/* SHA-1 (FIPS 180-4) and its HMAC, so that the load program needs nothing but libc. */
#include "sha1.h"

#include <string.h>

#define BLOCK_BYTES 64

struct sha1 {
  uint32_t state[5];
  uint64_t length;
  uint8_t block[BLOCK_BYTES];
};

static void begin(struct sha1 *hash);
static void update(struct sha1 *hash, const uint8_t *data, size_t length);
static void finish(struct sha1 *hash, uint8_t digest[SHA1_BYTES]);

void hmac_sha1(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t mac[SHA1_BYTES]) {
  uint8_t inner_pad[BLOCK_BYTES], outer_pad[BLOCK_BYTES];
  memset(inner_pad, 0x36, BLOCK_BYTES);
  memset(outer_pad, 0x5c, BLOCK_BYTES);
  for (size_t i = 0; i < key_length && i < BLOCK_BYTES; i++) {
    inner_pad[i] ^= key[i];
    outer_pad[i] ^= key[i];
  }
  struct sha1 hash;
  uint8_t inner[SHA1_BYTES];
  begin(&hash);
  update(&hash, inner_pad, BLOCK_BYTES);
  update(&hash, data, length);
  finish(&hash, inner);
  begin(&hash);
  update(&hash, outer_pad, BLOCK_BYTES);
  update(&hash, inner, SHA1_BYTES);
  finish(&hash, mac);
}

static void begin(struct sha1 *hash) {
  static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  memcpy(hash->state, initial, sizeof initial);
  hash->length = 0;
}

static uint32_t rotate(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void compress(struct sha1 *hash) {
  uint32_t w[80];
  for (int i = 0; i < 16; i++) {
    const uint8_t *at = hash->block + 4 * i;
    w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
  }
  for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);

  uint32_t a = hash->state[0], b = hash->state[1], c = hash->state[2], d = hash->state[3], e = hash->state[4];
  for (int i = 0; i < 80; i++) {
    uint32_t mixed, constant;
    if (i < 20) {
      mixed = (b & c) | (~b & d);
      constant = 0x5a827999;
    } else if (i < 40) {
      mixed = b ^ c ^ d;
      constant = 0x6ed9eba1;
    } else if (i < 60) {
      mixed = (b & c) | (b & d) | (c & d);
      constant = 0x8f1bbcdc;
    } else {
      mixed = b ^ c ^ d;
      constant = 0xca62c1d6;
    }
    uint32_t next = rotate(a, 5) + mixed + e + constant + w[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  hash->state[0] += a;
  hash->state[1] += b;
  hash->state[2] += c;
  hash->state[3] += d;
  hash->state[4] += e;
}

static void update(struct sha1 *hash, const uint8_t *data, size_t length) {
  for (size_t i = 0; i < length; i++) {
    hash->block[hash->length++ % BLOCK_BYTES] = data[i];
    if (hash->length % BLOCK_BYTES == 0) compress(hash);
  }
}

static void finish(struct sha1 *hash, uint8_t digest[SHA1_BYTES]) {
  uint64_t bits = hash->length * 8;
  uint8_t byte = 0x80;
  update(hash, &byte, 1);
  byte = 0;
  while (hash->length % BLOCK_BYTES != BLOCK_BYTES - 8) update(hash, &byte, 1);
  for (int shift = 56; shift >= 0; shift -= 8) {
    byte = (uint8_t)(bits >> shift);
    update(hash, &byte, 1);
  }
  for (int i = 0; i < SHA1_BYTES; i++) digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}
