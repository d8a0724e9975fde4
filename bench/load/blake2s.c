/* BLAKE2s (RFC 7693) of short messages, so that the load program needs nothing but libc. */
#include "blake2s.h"

#include <string.h>

#define BLOCK_BYTES 64
#define MESSAGE_MAX 320

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static void compress(uint32_t state[8], const uint8_t *block, uint32_t counted, uint32_t last);

void blake2s(uint8_t *digest, size_t digest_length, const uint8_t *key, size_t key_length, const uint8_t *data, size_t length) {
  uint8_t message[MESSAGE_MAX] = {0};
  size_t total = 0;
  if (key_length > 0) {
    memcpy(message, key, key_length);
    total = BLOCK_BYTES;
  }
  if (length > MESSAGE_MAX - BLOCK_BYTES) length = MESSAGE_MAX - BLOCK_BYTES;
  memcpy(message + total, data, length);
  total += length;

  uint32_t state[8];
  memcpy(state, initial, sizeof state);
  state[0] ^= 0x01010000u ^ (uint32_t)key_length << 8 ^ (uint32_t)digest_length;
  size_t at = 0;
  for (; total - at > BLOCK_BYTES; at += BLOCK_BYTES) compress(state, message + at, (uint32_t)(at + BLOCK_BYTES), 0);
  compress(state, message + at, (uint32_t)total, 0xffffffffu);
  for (size_t i = 0; i < digest_length; i++) digest[i] = (uint8_t)(state[i / 4] >> (8 * (i % 4)));
}

static uint32_t rotate(uint32_t value, int bits) { return value >> bits | value << (32 - bits); }

static void mix(uint32_t v[16], int a, int b, int c, int d, uint32_t x, uint32_t y) {
  v[a] += v[b] + x;
  v[d] = rotate(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotate(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = rotate(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = rotate(v[b] ^ v[c], 7);
}

static void compress(uint32_t state[8], const uint8_t *block, uint32_t counted, uint32_t last) {
  uint32_t m[16], v[16];
  for (int i = 0; i < 16; i++) {
    const uint8_t *at = block + 4 * i;
    m[i] = (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
  }
  memcpy(v, state, 8 * sizeof v[0]);
  memcpy(v + 8, initial, sizeof initial);
  v[12] ^= counted;
  v[14] ^= last;
  for (int round = 0; round < 10; round++) {
    const uint8_t *s = sigma[round];
    for (int i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
    for (int i = 0; i < 4; i++) mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
  }
  for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[8 + i];
}
