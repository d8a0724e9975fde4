#ifndef CULVERT_BENCH_STUN_H
#define CULVERT_BENCH_STUN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Message types: method and class together (RFC 8489 section 5, RFC 8656 section 17). */
#define STUN_BINDING 0x0001
#define STUN_ALLOCATE 0x0003
#define STUN_REFRESH 0x0004
#define STUN_CHANNEL_BIND 0x0009
#define STUN_CLASS_SUCCESS 0x0100
#define STUN_CLASS_ERROR 0x0110

#define STUN_USERNAME 0x0006
#define STUN_CHANNEL_NUMBER 0x000c
#define STUN_LIFETIME 0x000d
#define STUN_XOR_PEER_ADDRESS 0x0012
#define STUN_REALM 0x0014
#define STUN_NONCE 0x0015
#define STUN_REQUESTED_TRANSPORT 0x0019

#define STUN_KEY_BYTES 16
#define STUN_NONCE_MAX 256

struct stun_request {
  size_t length;
  uint8_t bytes[1024];
};

struct stun_response {
  uint16_t type;
  int error; /* 0, or ERROR-CODE */
  size_t nonce_length;
  size_t realm_length;
  char nonce[STUN_NONCE_MAX];
  char realm[STUN_NONCE_MAX];
  struct sockaddr_in relayed;
};

/* `serial` makes the transaction id: unique per request of this process, which is all a benchmark needs. */
void stun_begin(struct stun_request *request, uint16_t type, uint64_t serial);
void stun_add(struct stun_request *request, uint16_t type, const void *value, size_t length);
void stun_add_u32(struct stun_request *request, uint16_t type, uint32_t value);
void stun_add_peer(struct stun_request *request, const struct sockaddr_in *peer);
/* MESSAGE-INTEGRITY, last (RFC 8489 section 14.5). */
void stun_sign(struct stun_request *request, const uint8_t key[STUN_KEY_BYTES]);

/* Whether `packet` is the response to `request`; fills `response` when it is. */
bool stun_parse(const struct stun_request *request, const uint8_t *packet, size_t length, struct stun_response *response);

#endif
