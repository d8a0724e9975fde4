/* The change of headers. Every frame that comes in is read whole (struct packet), its front is moved, and all headers
 * are written:
 *
 *   keep      | Eth | IP  | UDP |              data |           | Eth | IP' | UDP' |              data |
 *   strip     | Eth | IP  | UDP | ch len | data | pad |    →    | Eth | IP' | UDP' |              data |
 *   add       | Eth | IP  | UDP |              data |           | Eth | IP' | UDP' | CH len |     data |
 *   replace   | Eth | IP  | UDP | ch len | data | pad |         | Eth | IP' | UDP' | CH len |     data |
 *
 *   The front moves by    IPv4 → IPv6: 20 bytes out;    IPv6 → IPv4: 20 in;    add: 4 out;    strip: 4 in.
 *   What lies behind the data, padding of ChannelData or of Ethernet, is cut off.
 *
 *   IPv4   version 4, 5 words | class kept | length | id kept, from IPv6: 0 | DF kept, from IPv6: set | hop limit - 1 |
 * checksum IPv6   version 6 | class kept | flow label 0 (RFC 8656 §13) | length | UDP | hop limit - 1 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include "checksum.h"
#include "maps.h"
#include "match.h"
#include "packet.h"
#include "parse.h"

#define MAX_PADDING 3
#define IPV4_PLAIN  0x45 /* version 4, five words */

struct change {
  __u32 data_bytes; /* payload without channel header and padding */
  __u32 payload_bytes;
  __u32 header_bytes;
  __be32 channel_word; /* to be put in front, 0 = none */
  int stripped;
};

static __always_inline enum reason sum_padding(struct xdp_md *ctx, const struct packet *packet, __u32 from, __u64 *sum);
static __always_inline __u16 udp_check(const struct packet *packet, const struct flow *flow,
                                       const struct change *change, __u64 sum);
static __always_inline __be32 *words_of(void *header) { return header; }
static __always_inline void write4(struct iphdr *ip, const struct packet *packet, const struct flow *flow,
                                   const struct change *change);
static __always_inline void write6(struct ipv6hdr *ip, const struct packet *packet, const struct flow *flow,
                                   const struct change *change);

/* What the flow's encapsulation makes of the payload. */
static __always_inline void plan(const struct packet *packet, const struct flow *flow, struct change *change) {
  __u32 encapsulation = flow->encapsulation;
  change->stripped = encapsulation == ENCAP_STRIP || encapsulation == ENCAP_REPLACE;
  change->data_bytes = change->stripped ? channel_length(packet) : packet->payload_bytes;
  change->payload_bytes = change->data_bytes;
  if (encapsulation == ENCAP_ADD || encapsulation == ENCAP_REPLACE) {
    change->payload_bytes += CHANNEL_HEADER;
    change->channel_word = bpf_htonl((__u32)bpf_ntohs(flow->channel) << 16 | (change->data_bytes & 0xffff));
  }
  change->header_bytes = sizeof(struct ethernet) + sizeof(struct udphdr) +
                         (flow->family == FAMILY_4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

/* REASON_NO_HEADROOM leaves the frame as it was. After the front has moved there is no way back: REASON_BROKEN. */
static __always_inline enum reason rewrite(struct xdp_md *ctx, const struct packet *packet, const struct flow *flow,
                                           const struct change *change, const struct hop *hop, __u64 padding) {
  int shift = (int)packet->header_bytes - (int)change->header_bytes;
  if (change->stripped)
    shift += CHANNEL_HEADER;
  if (change->channel_word)
    shift -= CHANNEL_HEADER;
  int frame = change->header_bytes + change->payload_bytes;
  int surplus = (int)packet->frame_bytes - shift - frame;
  if (shift && bpf_xdp_adjust_head(ctx, shift))
    return REASON_NO_HEADROOM;
  if (surplus > 0 && bpf_xdp_adjust_tail(ctx, -surplus))
    return REASON_BROKEN;

  void *data = (void *)(long)ctx->data;
  void *end = (void *)(long)ctx->data_end;
  struct ethernet *ethernet = data;
  struct udphdr *udp;
  if (flow->family == FAMILY_4) {
    struct iphdr *ip = (void *)(ethernet + 1);
    udp = (void *)(ip + 1);
    if ((void *)(udp + 1) > end)
      return REASON_BROKEN;
    write4(ip, packet, flow, change);
  } else {
    struct ipv6hdr *ip = (void *)(ethernet + 1);
    udp = (void *)(ip + 1);
    if ((void *)(udp + 1) > end)
      return REASON_BROKEN;
    write6(ip, packet, flow, change);
  }
  ethernet->addresses = hop->addresses;
  ethernet->type = flow->family == FAMILY_4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
  __be16 length = bpf_htons(sizeof(*udp) + change->payload_bytes);
  __u16 check = packet->check ? udp_check(packet, flow, change, padding) : 0;
  words_of(udp)[0] = *(const __be32 *)&flow->local_port;
  words_of(udp)[1] = length | (__u32)check << 16;
  if (change->channel_word) {
    __be32 *word = (void *)(udp + 1);
    if ((void *)(word + 1) > end)
      return REASON_BROKEN;
    *word = change->channel_word;
  }
  return GO_ON;
}

/* Whether the checksum can be carried over, and what has to go out of it for bytes behind the data. */
static __always_inline enum reason carry_checksum(struct xdp_md *ctx, const struct packet *packet,
                                                  const struct flow *flow, const struct change *change, __u64 *sum) {
  *sum = 0;
  if (packet->check == 0) {
    /* Over IPv4 it may be missing, and stays so (RFC 768). IPv6 wants one: a socket computes it. Over IPv6 it may not
     * be missing. */
    return packet->family == FAMILY_4 && flow->family == FAMILY_4 ? GO_ON : REASON_NO_CHECKSUM;
  }
  if (change->stripped && CHANNEL_HEADER + change->data_bytes < packet->payload_bytes)
    return sum_padding(ctx, packet, CHANNEL_HEADER + change->data_bytes, sum);
  return GO_ON;
}

/* `from`: where in the payload the padding begins. More than fills a word is no padding in the sense of RFC 8656 §12.5,
 * and a socket deals with it just as well. */
static __always_inline enum reason sum_padding(struct xdp_md *ctx, const struct packet *packet, __u32 from,
                                               __u64 *sum) {
  __u32 count = packet->payload_bytes - from;
  __u8 bytes[4] = {};
  if (count == 0 || count > MAX_PADDING)
    return REASON_LONG_PADDING;
  if (bpf_xdp_load_bytes(ctx, packet->header_bytes + from, bytes, count))
    return REASON_TRUNCATED;
  for (__u32 index = 0; index < MAX_PADDING; index++) {
    /* The first byte of a 16-bit word is its low one here: the object is for little-endian machines. Bytes of 0 take
     * nothing out. */
    *sum += removed16((from + index) & 1 ? (__u16)(bytes[index] << 8) : bytes[index]);
  }
  return GO_ON;
}

/* Out of the sum: addresses, ports, the two lengths, a channel header. Into it: the new ones. Protocol and data stay.
 */
static __always_inline __u16 udp_check(const struct packet *packet, const struct flow *flow,
                                       const struct change *change, __u64 sum) {
  __u16 old_length = bpf_htons(sizeof(struct udphdr) + packet->payload_bytes);
  __u16 new_length = bpf_htons(sizeof(struct udphdr) + change->payload_bytes);
  sum += (__u16)~packet->check + ALL_ONES - packet->addresses_sum - packet->ports - 2 * (__u64)old_length;
  if (change->stripped)
    sum -= packet->words[0];
  if (flow->family == FAMILY_4)
    sum += added(flow->local, 1) + added(flow->remote, 1);
  else
    sum += added(flow->local, 4) + added(flow->remote, 4);
  sum += *(const __be32 *)&flow->local_port + 2 * (__u64)new_length + change->channel_word;
  __u16 check = ~fold(sum);
  return check ? check : 0xffff; /* 0 means that there is none */
}

/* Whole words, from least to most significant byte as they lie in memory: the sum would wait for what is written in
 * parts. */
static __always_inline void write4(struct iphdr *ip, const struct packet *packet, const struct flow *flow,
                                   const struct change *change) {
  int from4 = packet->family == FAMILY_4;
  __be16 length = bpf_htons(sizeof(*ip) + sizeof(struct udphdr) + change->payload_bytes);
  __be16 id = from4 ? packet->ipv4_id : 0;
  __be16 fragment = from4 ? packet->ipv4_fragment & bpf_htons(IPV4_DF) : bpf_htons(IPV4_DF);
  __be32 words[5] = {
      IPV4_PLAIN | (__u32)packet->traffic_class << 8 | (__u32)length << 16,
      id | (__u32)fragment << 16,
      (__u8)(packet->hop_limit - 1) | IPPROTO_UDP << 8,
      flow->local[0],
      flow->remote[0],
  };
  words[2] |= (__u32)(__u16)~fold(added(words, 5)) << 16;
  for (int index = 0; index < 5; index++)
    words_of(ip)[index] = words[index];
}

static __always_inline void write6(struct ipv6hdr *ip, const struct packet *packet, const struct flow *flow,
                                   const struct change *change) {
  *(__be32 *)ip = bpf_htonl(0x60000000 | (__u32)packet->traffic_class << 20);
  ip->payload_len = bpf_htons(sizeof(struct udphdr) + change->payload_bytes);
  ip->nexthdr = IPPROTO_UDP;
  ip->hop_limit = packet->hop_limit - 1;
  __builtin_memcpy(&ip->saddr, flow->local, sizeof(ip->saddr));
  __builtin_memcpy(&ip->daddr, flow->remote, sizeof(ip->daddr));
}
