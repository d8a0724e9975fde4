/* WireGuard's messages (whitepaper section 5.4) as far as a relay without keys can tell them from true ones. */
#include "wireguard.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "blake2s.h"
#include "util.h"

#define INITIATION_BYTES 148
#define RESPONSE_BYTES 92
#define KEEPALIVE_BYTES 32
#define REPEAT_NS (200 * NS_PER_MS)

enum { CLIENT, PEER };

struct progress {
  bool responded; /* the client has the response */
  bool through;   /* and has the peer's first packet */
};

static void step(struct ends *ends, uint32_t serial, struct progress *progress);
static void initiate(struct ends *ends, int from, uint32_t recipient, uint32_t index);
static void keepalive(int fd, uint32_t receiver);
static size_t take(int fd, uint8_t packet[2048]);
static void sign(uint8_t *packet, size_t length, uint32_t recipient);
static bool is_signed_for(const uint8_t *packet, size_t length, uint32_t recipient);
static uint32_t get32(const uint8_t *at);
static void put32(uint8_t *at, uint32_t value);

/*
 * The peer first, so that the relay knows that there is somebody: its initiation is for the first key of all, which a search among many finds
 * at once and whose owner ignores it. Then the client's, the response, and a keepalive each way.
 */
bool wireguard_join(struct ends *ends, uint32_t serial, uint64_t deadline) {
  struct progress progress = {0};
  ends->own[CLIENT] = random_u32();
  ends->own[PEER] = random_u32();
  while (!progress.through) {
    uint64_t now = now_ns();
    if (now > deadline) return false;
    initiate(ends, PEER, 0, random_u32());
    initiate(ends, CLIENT, 2 * serial + 1, ends->own[CLIENT]);
    while (!progress.through && now_ns() < now + REPEAT_NS) step(ends, serial, &progress);
  }
  return true;
}

/* One packet at each end. Where a relay floods, most are none of ours. */
static void step(struct ends *ends, uint32_t serial, struct progress *progress) {
  uint8_t packet[2048];
  size_t length = take(ends->fds[PEER], packet);
  if (length == INITIATION_BYTES && packet[0] == 1 && get32(packet + 4) == ends->own[CLIENT] &&
      is_signed_for(packet, length, 2 * serial + 1)) {
    uint8_t response[RESPONSE_BYTES] = {2};
    put32(response + 4, ends->own[PEER]);
    put32(response + 8, ends->own[CLIENT]);
    if (getrandom(response + 12, 48, 0) != 48) die("getrandom");
    sign(response, sizeof response, 2 * serial);
    (void)!send(ends->fds[PEER], response, sizeof response, 0);
  } else if (length == KEEPALIVE_BYTES && wireguard_is_data_for(packet, ends->own[PEER])) {
    keepalive(ends->fds[PEER], ends->own[CLIENT]);
  }

  length = take(ends->fds[CLIENT], packet);
  if (length == RESPONSE_BYTES && packet[0] == 2 && get32(packet + 8) == ends->own[CLIENT]) progress->responded = true;
  if (length == KEEPALIVE_BYTES && wireguard_is_data_for(packet, ends->own[CLIENT])) progress->through = true;
  if (progress->responded && length == RESPONSE_BYTES) keepalive(ends->fds[CLIENT], ends->own[PEER]);
}

static void initiate(struct ends *ends, int from, uint32_t recipient, uint32_t index) {
  uint8_t packet[INITIATION_BYTES] = {1};
  put32(packet + 4, index);
  if (getrandom(packet + 8, 108, 0) != 108) die("getrandom");
  sign(packet, sizeof packet, recipient);
  (void)!send(ends->fds[from], packet, sizeof packet, 0);
}

static void keepalive(int fd, uint32_t receiver) {
  uint8_t packet[KEEPALIVE_BYTES];
  memset(packet, 0xa5, sizeof packet);
  wireguard_data_header(packet, receiver);
  (void)!send(fd, packet, sizeof packet, 0);
}

void wireguard_data_header(uint8_t *packet, uint32_t receiver) {
  static uint64_t counter;
  uint64_t number = counter++;
  memset(packet, 0, 4);
  packet[0] = 4;
  put32(packet + 4, receiver);
  for (int i = 0; i < 8; i++) packet[8 + i] = (uint8_t)(number >> (8 * i));
}

bool wireguard_is_data_for(const uint8_t *packet, uint32_t receiver) { return packet[0] == 4 && get32(packet + 4) == receiver; }

/* 0 when there is none. */
static size_t take(int fd, uint8_t packet[2048]) {
  ssize_t length = recv(fd, packet, 2048, MSG_DONTWAIT);
  return length < 0 ? 0 : (size_t)length;
}

/* The driver in TypeScript registers the same ones. */
static void public_key(uint8_t key[WIREGUARD_KEY_BYTES], uint32_t serial) {
  memset(key, 0x42, WIREGUARD_KEY_BYTES);
  put32(key, serial);
}

/* mac1 = keyed BLAKE2s-128 over what is before it, key = BLAKE2s-256("mac1----" and the recipient's public key). */
static void mac1(uint8_t mac[16], const uint8_t *packet, size_t length, uint32_t recipient) {
  uint8_t labelled[8 + WIREGUARD_KEY_BYTES] = "mac1----", key[32];
  public_key(labelled + 8, recipient);
  blake2s(key, sizeof key, NULL, 0, labelled, sizeof labelled);
  blake2s(mac, 16, key, sizeof key, packet, length - 32);
}

static void sign(uint8_t *packet, size_t length, uint32_t recipient) { mac1(packet + length - 32, packet, length, recipient); }

static bool is_signed_for(const uint8_t *packet, size_t length, uint32_t recipient) {
  uint8_t mac[16];
  mac1(mac, packet, length, recipient);
  return memcmp(mac, packet + length - 32, sizeof mac) == 0;
}

static uint32_t get32(const uint8_t *at) { return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0]; }

static void put32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}
