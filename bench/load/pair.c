/* As much of udp-relay's handshake (v0.8.2) as two clients need. */
#include "pair.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sha256.h"
#include "util.h"

#define MAGIC 0x04b28000u
#define HANDSHAKE_BYTES 56
#define GUID_OFFSET 8
#define MAC_OFFSET 24
#define REPEAT_NS (50 * NS_PER_MS)

static bool arrives(int fd, const uint8_t *wanted, size_t length, uint64_t limit);

bool pair_join(struct ends *ends, const uint8_t key[STUN_KEY_BYTES], uint32_t serial, uint64_t deadline) {
  static const uint8_t data[8] = "through";
  uint8_t hello[HANDSHAKE_BYTES];
  pair_handshake(hello, key, serial);
  /* The handshake that completes the pair is forwarded to who was first. A send that fails (ECONNREFUSED) is repeated. */
  for (bool met = false; !met;) {
    if (now_ns() > deadline) return false;
    (void)!send(ends->fds[0], hello, sizeof hello, 0);
    (void)!send(ends->fds[1], hello, sizeof hello, 0);
    met = arrives(ends->fds[0], hello, sizeof hello, now_ns() + REPEAT_NS);
  }
  for (int from = 0; from < 2; from++) {
    for (bool through = false; !through;) {
      if (now_ns() > deadline) return false;
      (void)!send(ends->fds[from], data, sizeof data, 0);
      through = arrives(ends->fds[1 - from], data, sizeof data, now_ns() + REPEAT_NS);
    }
  }
  return true;
}

/* Each pair of each run another GUID. */
size_t pair_handshake(uint8_t *packet, const uint8_t key[STUN_KEY_BYTES], uint32_t serial) {
  uint32_t magic = htonl(MAGIC), guid[4] = {htonl(serial + 1), random_u32(), random_u32(), random_u32()};
  memset(packet, 0, HANDSHAKE_BYTES);
  memcpy(packet, &magic, sizeof magic);
  memcpy(packet + GUID_OFFSET, guid, sizeof guid);
  hmac_sha256(key, STUN_KEY_BYTES, packet, HANDSHAKE_BYTES, packet + MAC_OFFSET);
  return HANDSHAKE_BYTES;
}

static bool arrives(int fd, const uint8_t *wanted, size_t length, uint64_t limit) {
  uint8_t packet[2048];
  while (now_ns() < limit) {
    ssize_t got = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
    if (got == (ssize_t)length && memcmp(packet, wanted, length) == 0) return true;
  }
  return false;
}
