/* What is known about a packet once its headers are read. Offsets of the frame are not kept: adjust_head makes them
 * stale. */
#pragma once

#include "layout.h"

/* As struct ethhdr of Linux, which is packed: every field would be read and written byte by byte. */
struct ethernet {
  struct addresses addresses;
  __be16 type;
};

/*   | Ethernet 14 | IPv4 20 or IPv6 40 | UDP 8 | payload ... | perhaps what Ethernet or a sloppy driver put behind it |
 *                                             ^ header_bytes ^ header_bytes + payload_bytes ^ frame_bytes */
struct packet {
  __u32 family;
  __u32 service;
  __u32 port_bits;
  __u32 frame_bytes;
  __u32 header_bytes;
  __u32 payload_bytes;
  __be32 to[4]; /* an IPv4 address is the first word */
  __be32 from[4];
  __be32 ports; /* as in a UDP header: from, to */
  __u16 check;
  __be16 ipv4_id;
  __be16 ipv4_fragment; /* flags and offset */
  __u8 traffic_class;   /* DSCP and ECN */
  __u8 hop_limit;
  __be32 words[3]; /* the payload's first, as far as there are such */
  __u64 addresses_sum;
  __u64 now;
};
