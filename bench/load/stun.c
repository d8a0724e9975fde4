/* As much of STUN (RFC 8489) as a TURN client needs to get an allocation over IPv4. */
#include "stun.h"

#include <arpa/inet.h>
#include <string.h>

#include "sha1.h"

#define HEADER_BYTES 20
#define MAGIC_COOKIE 0x2112a442u
#define MESSAGE_INTEGRITY 0x0008
#define ERROR_CODE 0x0009
#define XOR_RELAYED_ADDRESS 0x0016

static void put16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

void stun_begin(struct stun_request *request, uint16_t type, uint64_t serial) {
  uint32_t cookie = htonl(MAGIC_COOKIE);
  put16(request->bytes, type);
  put16(request->bytes + 2, 0);
  memcpy(request->bytes + 4, &cookie, 4);
  memset(request->bytes + 8, 0xb5, 4);
  memcpy(request->bytes + 12, &serial, 8);
  request->length = HEADER_BYTES;
}

void stun_add(struct stun_request *request, uint16_t type, const void *value, size_t length) {
  size_t padded = (length + 3) & ~(size_t)3;
  if (request->length + 4 + padded > sizeof request->bytes) return; /* the server then says 400 */
  uint8_t *at = request->bytes + request->length;
  put16(at, type);
  put16(at + 2, (unsigned)length);
  memset(at + 4, 0, padded);
  memcpy(at + 4, value, length);
  request->length += 4 + padded;
  put16(request->bytes + 2, (unsigned)(request->length - HEADER_BYTES));
}

void stun_add_u32(struct stun_request *request, uint16_t type, uint32_t value) {
  uint32_t wire = htonl(value);
  stun_add(request, type, &wire, 4);
}

/* XOR-PEER-ADDRESS: port and address under the magic cookie (RFC 8489 section 14.2). */
void stun_add_peer(struct stun_request *request, const struct sockaddr_in *peer) {
  uint8_t value[8] = {0, 1};
  uint32_t address = peer->sin_addr.s_addr ^ htonl(MAGIC_COOKIE);
  put16(value + 2, ntohs(peer->sin_port) ^ (MAGIC_COOKIE >> 16));
  memcpy(value + 4, &address, 4);
  stun_add(request, STUN_XOR_PEER_ADDRESS, value, sizeof value);
}

void stun_sign(struct stun_request *request, const uint8_t key[STUN_KEY_BYTES]) {
  uint8_t mac[SHA1_BYTES];
  /* The header's length counts the attribute that is about to be added, the hash ends before it. */
  put16(request->bytes + 2, (unsigned)(request->length - HEADER_BYTES + 4 + SHA1_BYTES));
  hmac_sha1(key, STUN_KEY_BYTES, request->bytes, request->length, mac);
  stun_add(request, MESSAGE_INTEGRITY, mac, sizeof mac);
}

static size_t copy_text(char *to, const uint8_t *from, size_t length) {
  if (length > STUN_NONCE_MAX) return 0;
  memcpy(to, from, length);
  return length;
}

bool stun_parse(const struct stun_request *request, const uint8_t *packet, size_t length, struct stun_response *response) {
  if (length < HEADER_BYTES || get16(packet + 2) + HEADER_BYTES != length) return false;
  if (memcmp(packet + 4, request->bytes + 4, 16) != 0) return false;
  memset(&response->relayed, 0, sizeof response->relayed);
  response->type = (uint16_t)get16(packet);
  response->error = 0;
  response->nonce_length = 0;
  response->realm_length = 0;
  for (size_t at = HEADER_BYTES; at + 4 <= length;) {
    const uint8_t *value = packet + at + 4;
    size_t size = get16(packet + at + 2);
    if (at + 4 + size > length) return false;
    switch (get16(packet + at)) {
      case ERROR_CODE:
        if (size >= 4) response->error = (value[2] & 7) * 100 + value[3];
        break;
      case STUN_NONCE:
        response->nonce_length = copy_text(response->nonce, value, size);
        break;
      case STUN_REALM:
        response->realm_length = copy_text(response->realm, value, size);
        break;
      case XOR_RELAYED_ADDRESS:
        if (size == 8 && value[1] == 1) {
          uint32_t address;
          memcpy(&address, value + 4, 4);
          response->relayed.sin_family = AF_INET;
          response->relayed.sin_port = htons((uint16_t)(get16(value + 2) ^ (MAGIC_COOKIE >> 16)));
          response->relayed.sin_addr.s_addr = address ^ htonl(MAGIC_COOKIE);
        }
        break;
    }
    at += 4 + ((size + 3) & ~(size_t)3);
  }
  return true;
}
