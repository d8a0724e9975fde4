/* A sender on this machine (a veth, the tap of a virtual machine) leaves the checksum to hardware: the field holds the
 * sum of the pseudo-header alone, and the kernel remembers that the rest may be trusted. Of a frame that a program
 * sends on it remembers nothing, and whoever gets it drops it. So the sum is completed:
 *
 *   | pseudo-header | UDP, with the sum of the pseudo-header in place of the checksum | data |
 *     not summed      ^ from here to the end of the datagram, then complemented
 *
 * A right checksum that happens to look so comes out of it as it was. */
#pragma once

#include <linux/in.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include "checksum.h"
#include "packet.h"

#define STEP_WORDS 16
#define MOST_STEPS 64 /* a frame is one page at most */

static __always_inline int is_partial(const struct packet *packet, __u32 length);
int sum_bytes(struct xdp_md *ctx, __u32 offset, __u32 left);

/* Only what is known of the packet changes: the frame may yet be passed up as it came. */
static __always_inline enum reason complete_checksum(struct xdp_md *ctx, struct packet *packet) {
  __u32 length = sizeof(struct udphdr) + packet->payload_bytes;
  if (packet->family == FAMILY_4)
    packet->addresses_sum = added(packet->from, 1) + added(packet->to, 1);
  else
    packet->addresses_sum = added(packet->from, 4) + added(packet->to, 4);
  if (!is_partial(packet, length))
    return GO_ON;
  int sum = sum_bytes(ctx, packet->header_bytes - sizeof(struct udphdr), length);
  if (sum < 0)
    return REASON_TRUNCATED;
  __u16 check = ~sum;
  packet->check = check ? check : 0xffff; /* 0 means that there is none */
  return GO_ON;
}

/* Below 0 when they are not there. Not static, so that the verifier looks at it once, and not on each way to it. */
__noinline int sum_bytes(struct xdp_md *ctx, __u32 offset, __u32 left) {
  __u64 sum = 0;
  for (int step = 0; step < MOST_STEPS && left > 0; step++) {
    __be32 words[STEP_WORDS] = {};
    __u32 count = left < sizeof(words) ? left : sizeof(words);
    if (bpf_xdp_load_bytes(ctx, offset, words, count))
      return -1;
    sum += added(words, STEP_WORDS);
    offset += count;
    left -= count;
  }
  return left > 0 ? -1 : fold(sum);
}

static __always_inline int is_partial(const struct packet *packet, __u32 length) {
  return packet->check == fold(packet->addresses_sum + bpf_htons(IPPROTO_UDP) + bpf_htons(length));
}
