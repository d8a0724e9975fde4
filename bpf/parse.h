/* Frame → struct packet, or why it is none that a flow could take. */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include "maps.h"
#include "packet.h"

#define IPV4_FRAGMENT 0x3fff /* more fragments, or an offset */
#define IPV4_DF       0x4000
#define GROUP         0x0100 /* in the first word of a hardware address */

static __always_inline enum reason parse4(void *network, void *end, struct packet *packet);
static __always_inline enum reason parse6(void *network, void *end, struct packet *packet);
static __always_inline enum reason parse_udp(void *transport, void *end, struct packet *packet, __u32 expected);
static __always_inline enum reason if_ours(const struct packet *packet, enum reason reason);
static __always_inline int is_own(const struct packet *packet);
static __always_inline int is_near(const struct packet *packet);
static __always_inline int headers_summed(const __u32 *words);

static __always_inline enum reason parse(struct xdp_md *ctx, struct packet *packet) {
  void *data = (void *)(long)ctx->data;
  void *end = (void *)(long)ctx->data_end;
  struct ethernet *ethernet = data;
  if ((void *)(ethernet + 1) > end)
    return FOREIGN;
  packet->frame_bytes = end - data;
  switch (ethernet->type) {
  case bpf_htons(ETH_P_IP):
    /* A unicast datagram in a frame for a group (RFC 1122 §3.3.6) is the stack's to judge. */
    return ethernet->addresses.destination[0] & bpf_htons(GROUP) ? FOREIGN : parse4(ethernet + 1, end, packet);
  case bpf_htons(ETH_P_IPV6):
    return ethernet->addresses.destination[0] & bpf_htons(GROUP) ? FOREIGN : parse6(ethernet + 1, end, packet);
  case bpf_htons(ETH_P_8021Q):
  case bpf_htons(ETH_P_8021AD):
    return REASON_VLAN;
  default:
    return FOREIGN;
  }
}

static __always_inline enum reason parse4(void *network, void *end, struct packet *packet) {
  struct iphdr *ip = network;
  if ((void *)(ip + 1) > end || ip->version != 4 || ip->protocol != IPPROTO_UDP)
    return FOREIGN;
  packet->family = FAMILY_4;
  packet->to[0] = ip->daddr;
  packet->from[0] = ip->saddr;
  if (ip->ihl != 5)
    return if_ours(packet, REASON_IP_OPTIONS);
  if (ip->frag_off & bpf_htons(IPV4_FRAGMENT))
    return if_ours(packet, REASON_FRAGMENT);
  packet->ipv4_id = ip->id;
  packet->ipv4_fragment = ip->frag_off;
  packet->traffic_class = ip->tos;
  packet->hop_limit = ip->ttl;
  packet->header_bytes = sizeof(struct ethernet) + sizeof(*ip) + sizeof(struct udphdr);
  enum reason reason = parse_udp(ip + 1, end, packet, bpf_ntohs(ip->tot_len) - sizeof(*ip));
  /* What the stack would throw away must not be made good by a header of our own. */
  if (reason == GO_ON && !headers_summed(network))
    return if_ours(packet, REASON_BAD_HEADER_CHECKSUM);
  return reason;
}

static __always_inline enum reason parse6(void *network, void *end, struct packet *packet) {
  struct ipv6hdr *ip = network;
  if ((void *)(ip + 1) > end || ip->version != 6)
    return FOREIGN;
  packet->family = FAMILY_6;
  __builtin_memcpy(packet->to, &ip->daddr, sizeof(packet->to));
  __builtin_memcpy(packet->from, &ip->saddr, sizeof(packet->from));
  switch (ip->nexthdr) {
  case IPPROTO_UDP:
    break;
  case IPPROTO_FRAGMENT:
    return if_ours(packet, REASON_FRAGMENT);
  case IPPROTO_HOPOPTS:
  case IPPROTO_ROUTING:
  case IPPROTO_DSTOPTS:
  case IPPROTO_AH:
    return if_ours(packet, REASON_EXTENSION_HEADER);
  default:
    return FOREIGN;
  }
  packet->traffic_class = (bpf_ntohs(*(__be16 *)network) >> 4) & 0xff;
  packet->hop_limit = ip->hop_limit;
  packet->header_bytes = sizeof(struct ethernet) + sizeof(*ip) + sizeof(struct udphdr);
  return parse_udp(ip + 1, end, packet, bpf_ntohs(ip->payload_len));
}

/* `expected`: how long the datagram is by the IP header. */
static __always_inline enum reason parse_udp(void *transport, void *end, struct packet *packet, __u32 expected) {
  struct udphdr *udp = transport;
  if ((void *)(udp + 1) > end)
    return if_ours(packet, REASON_TRUNCATED);
  __u32 number = bpf_ntohs(udp->dest);
  const struct port *port = bpf_map_lookup_elem(&ports, &number);
  if (!port)
    return FOREIGN;
  packet->port_bits = packet->family == FAMILY_4 ? port->bits4 : port->bits6;
  packet->service = packet->family == FAMILY_4 ? port->service4 : port->service6;
  if (!(packet->port_bits & PORT_OPEN))
    return FOREIGN;
  packet->ports = *(__be32 *)udp;
  packet->check = udp->check;
  __u32 length = bpf_ntohs(udp->len);
  if (length != expected || length < sizeof(*udp))
    return if_ours(packet, REASON_BAD_LENGTH);
  packet->payload_bytes = length - sizeof(*udp);
  if (packet->header_bytes + packet->payload_bytes > packet->frame_bytes)
    return if_ours(packet, REASON_TRUNCATED);
  __be32 *words = (void *)(udp + 1);
  if ((void *)(words + 1) <= end)
    packet->words[0] = words[0];
  if ((void *)(words + 3) <= end) {
    packet->words[1] = words[1];
    packet->words[2] = words[2];
  }
  return GO_ON;
}

/* A router sees what is for others, and counts it not. */
static __always_inline enum reason if_ours(const struct packet *packet, enum reason reason) {
  return is_own(packet) ? reason : FOREIGN;
}

static __always_inline int is_own(const struct packet *packet) {
  if (is_near(packet))
    return 1;
  if (packet->family == FAMILY_4)
    return bpf_map_lookup_elem(&own4, &packet->to[0]) != NULL;
  return bpf_map_lookup_elem(&own6, packet->to) != NULL;
}

static __always_inline int is_near(const struct packet *packet) {
  __u32 zero = 0;
  const struct settings *settings = bpf_map_lookup_elem(&settings_map, &zero);
  if (!settings)
    return 0;
  const __be32 *to = packet->to;
  if (packet->family == FAMILY_4) {
    for (int index = 0; index < NEAR4; index++)
      if (to[0] == settings->near4[index])
        return 1;
    return 0;
  }
  for (int index = 0; index < NEAR6; index++) {
    const __be32 *near = settings->near6[index].address;
    if (to[3] == near[3] && to[2] == near[2] && to[1] == near[1] && to[0] == near[0])
      return 1;
  }
  return 0;
}

/* Whether the checksum of a header of 20 bytes is right (RFC 1071). */
static __always_inline int headers_summed(const __u32 *words) {
  __u64 sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}
