/* Which flow takes a packet: the order of src/flow/socket-flows.ts. */
#pragma once

#include <bpf/bpf_endian.h>
#include "maps.h"
#include "packet.h"
#include "parse.h"

#define CHANNEL_HEADER 4

union flow_key {
  struct flow_key4 v4;
  struct flow_key6 v6;
};

static __always_inline void write_key(const struct packet *packet, union flow_key *key);
static __always_inline struct flow *look_up(const struct packet *packet, union flow_key *key, __be32 discriminator);
static __always_inline struct flow *look_up_receiver(const struct packet *packet, union flow_key *key,
                                                     enum reason *reason);
static __always_inline int is_channel_data(const struct packet *packet);
static __always_inline __u32 channel_length(const struct packet *packet);

/* The discriminated flow first, then the one without, unless it excepts the first word. */
static __always_inline enum reason match(const struct packet *packet, struct flow **found) {
  __u32 bits = packet->port_bits;
  if (bits & PORT_WILDCARD && !is_own(packet))
    return FOREIGN;
  union flow_key key = {};
  write_key(packet, &key);
  enum reason reason = REASON_NO_FLOW;
  struct flow *flow;

  if (bits & PORT_CHANNELS && is_channel_data(packet)) {
    if (packet->payload_bytes >= CHANNEL_HEADER && CHANNEL_HEADER + channel_length(packet) <= packet->payload_bytes) {
      flow = look_up(packet, &key, packet->words[0] & bpf_htonl(0xffff0000));
      if (flow)
        goto out;
      reason = REASON_UNKNOWN_CHANNEL;
    } else {
      reason = REASON_MALFORMED_CHANNEL_DATA;
    }
  }
  if (bits & PORT_RECEIVERS) {
    flow = look_up_receiver(packet, &key, &reason);
    if (flow)
      goto out;
  }
  if (bits & PORT_PLAIN) {
    flow = look_up(packet, &key, 0);
    if (flow) {
      if (flow->has_except && packet->payload_bytes >= 4 && packet->words[0] == flow->except)
        return REASON_EXCEPTED_WORD;
      goto out;
    }
  }
  return if_ours(packet, reason);

out:
  *found = flow;
  return GO_ON;
}

static __always_inline void write_key(const struct packet *packet, union flow_key *key) {
  int wildcard = packet->port_bits & PORT_WILDCARD;
  /* Both at once: what is written in halves is slow to be read as one, which the kernel does to hash it. */
  __be32 ports = packet->ports << 16 | packet->ports >> 16;
  if (packet->family == FAMILY_4) {
    key->v4.local = wildcard ? 0 : packet->to[0];
    key->v4.remote = packet->from[0];
    *(__be32 *)&key->v4.local_port = ports;
  } else {
    if (!wildcard)
      __builtin_memcpy(key->v6.local, packet->to, sizeof(key->v6.local));
    __builtin_memcpy(key->v6.remote, packet->from, sizeof(key->v6.remote));
    *(__be32 *)&key->v6.local_port = ports;
  }
}

static __always_inline struct flow *look_up(const struct packet *packet, union flow_key *key, __be32 discriminator) {
  if (packet->family == FAMILY_4) {
    key->v4.discriminator = discriminator;
    return bpf_map_lookup_elem(&flows4, &key->v4);
  }
  key->v6.discriminator = discriminator;
  return bpf_map_lookup_elem(&flows6, &key->v6);
}

/*   0        1        2        3        4                8
 *   +--------+--------------------------+----------------+----------------
 *   | type 2 | 0                        | sender index   | receiver index   response, 92 bytes
 *   | type 3 | 0                        | receiver index | nonce ...        cookie reply, 64 bytes
 *   | type 4 | 0                        | receiver index | counter ...      data, from 32 bytes
 *   +--------+--------------------------+----------------+---------------- */
static __always_inline struct flow *look_up_receiver(const struct packet *packet, union flow_key *key,
                                                     enum reason *reason) {
  __u32 bytes = packet->payload_bytes;
  __be32 receiver;
  if (packet->words[0] == bpf_htonl(0x04000000) && bytes >= 32)
    receiver = packet->words[1];
  else if (packet->words[0] == bpf_htonl(0x02000000) && bytes == 92)
    receiver = packet->words[2];
  else if (packet->words[0] == bpf_htonl(0x03000000) && bytes == 64)
    receiver = packet->words[1];
  else
    return NULL;
  *reason = REASON_UNKNOWN_RECEIVER;
  if (packet->family == FAMILY_4) {
    key->v4.discriminator = receiver;
    return bpf_map_lookup_elem(&receivers4, &key->v4);
  }
  key->v6.discriminator = receiver;
  return bpf_map_lookup_elem(&receivers6, &key->v6);
}

/* First byte 0x40 to 0x7F (RFC 8656 §12). Also a payload of one byte; then `words` may hold what lies behind it. */
static __always_inline int is_channel_data(const struct packet *packet) {
  return packet->payload_bytes > 0 && (packet->words[0] & bpf_htonl(0xc0000000)) == bpf_htonl(0x40000000);
}

static __always_inline __u32 channel_length(const struct packet *packet) {
  return bpf_ntohl(packet->words[0]) & 0xffff;
}
