/* Which way out: the kernel's own routing table and neighbours, any interface, remembered in the flow for a while. */
#pragma once

#include <linux/in.h>
#include "maps.h"
#include "packet.h"

#define AF_INET  2
#define AF_INET6 10

/* Nanoseconds: many flows share a neighbour, and each writes to it no more often. */
#define NOTE_EVERY 1000000000

static __always_inline int fresh(const struct flow *flow, const struct settings *settings, __u64 now, struct hop *hop);
static __always_inline enum reason look_up_hop(struct xdp_md *ctx, const struct packet *packet, const struct flow *flow,
                                               const struct settings *settings, __u32 bytes, struct hop *hop);
static __always_inline void note_neighbour(const struct bpf_fib_lookup *fib, __u64 now);
static __always_inline void remember(struct flow *flow, const struct hop *hop);

/* `bytes`: of the IP packet that is to go out. */
static __always_inline enum reason find_hop(struct xdp_md *ctx, const struct packet *packet, struct flow *flow,
                                            const struct settings *settings, __u32 bytes, struct hop *hop) {
  if (!fresh(flow, settings, packet->now, hop)) {
    enum reason reason = look_up_hop(ctx, packet, flow, settings, bytes, hop);
    if (reason != GO_ON)
      return reason;
    if (settings->hop_lifetime)
      remember(flow, hop);
  }
  return bytes > hop->mtu ? REASON_MTU : GO_ON;
}

/* Another processor may write meanwhile: then `until`, which it clears first and sets last, is not the same before and
 * after. */
static __always_inline int fresh(const struct flow *flow, const struct settings *settings, __u64 now, struct hop *hop) {
  const volatile __u64 *until = &flow->hop.until;
  __u64 before = *until;
  if (now >= before || flow->hop.generation != settings->generation)
    return 0;
  *hop = flow->hop;
  return *until == before;
}

static __always_inline enum reason look_up_hop(struct xdp_md *ctx, const struct packet *packet, const struct flow *flow,
                                               const struct settings *settings, __u32 bytes, struct hop *hop) {
  struct bpf_fib_lookup fib = {};
  fib.l4_protocol = IPPROTO_UDP;
  fib.sport = flow->local_port;
  fib.dport = flow->remote_port;
  fib.tot_len = bytes < 0xffff ? bytes : 0xffff;
  /* A look-up is refused for an interface that does not forward. A relay need not be a router: userspace may name
   * another one. */
  fib.ifindex = settings->lookup_ifindex ? settings->lookup_ifindex : ctx->ingress_ifindex;
  if (flow->family == FAMILY_4) {
    fib.family = AF_INET;
    fib.ipv4_src = flow->local[0];
    fib.ipv4_dst = flow->remote[0];
  } else {
    fib.family = AF_INET6;
    __builtin_memcpy(fib.ipv6_src, flow->local, sizeof(fib.ipv6_src));
    __builtin_memcpy(fib.ipv6_dst, flow->remote, sizeof(fib.ipv6_dst));
  }
  switch (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0)) {
  case BPF_FIB_LKUP_RET_SUCCESS:
    break;
  case BPF_FIB_LKUP_RET_NO_NEIGH:
    return REASON_NO_NEIGHBOUR;
  case BPF_FIB_LKUP_RET_FRAG_NEEDED:
    return REASON_MTU;
  case BPF_FIB_LKUP_RET_FWD_DISABLED:
    return REASON_FORWARDING_OFF;
  default:
    return REASON_NO_ROUTE;
  }
  __u32 ifindex = fib.ifindex;
  const __u32 *exit = bpf_map_lookup_elem(&egress, &ifindex);
  if (!exit)
    return REASON_EGRESS;
  note_neighbour(&fib, packet->now);
  hop->exit = *exit;
  hop->until = packet->now + settings->hop_lifetime;
  hop->generation = settings->generation;
  hop->ifindex = fib.ifindex;
  hop->mtu = fib.mtu_result;
  __builtin_memcpy(hop->addresses.destination, fib.dmac, sizeof(fib.dmac));
  __builtin_memcpy(hop->addresses.source, fib.smac, sizeof(fib.smac));
  return GO_ON;
}

/* The look-up has put the router's address in place of the destination's, where there is a router. */
static __always_inline void note_neighbour(const struct bpf_fib_lookup *fib, __u64 now) {
  struct neighbour neighbour = {.ifindex = fib->ifindex, .family = FAMILY_4};
  if (fib->family == AF_INET) {
    neighbour.address[0] = fib->ipv4_dst;
  } else {
    neighbour.family = FAMILY_6;
    __builtin_memcpy(neighbour.address, fib->ipv6_dst, sizeof(neighbour.address));
  }
  __u64 *used = bpf_map_lookup_elem(&neighbours, &neighbour);
  if (!used)
    bpf_map_update_elem(&neighbours, &neighbour, &now, BPF_ANY);
  else if (now - *used > NOTE_EVERY)
    *used = now;
}

static __always_inline void remember(struct flow *flow, const struct hop *hop) {
  volatile __u64 *until = &flow->hop.until;
  *until = 0;
  flow->hop.generation = hop->generation;
  flow->hop.ifindex = hop->ifindex;
  flow->hop.mtu = hop->mtu;
  flow->hop.exit = hop->exit;
  flow->hop.counter = NOBODY;
  flow->hop.addresses = hop->addresses;
  *until = hop->until;
}
