/* The data path in the kernel: executes flows as src/flow/apply.ts does, and passes up whatever it does not know.
 *
 *   frame ─▶ parse ─▶ ports ─▶ match ─▶ plan ─▶ bucket ─▶ next hop ─▶ rewrite ─▶ out
 *              │        │        │        │        │          │
 *              ▼        ▼        ▼        ▼        ▼          ▼
 *             pass     pass    pass*    drop     drop       pass      * within its source's budget
 *
 * What passes behind the bucket is counted and sent by the flow in userspace. It is charged in both places: so the
 * bucket here holds for all that a flow takes, and the one there for what reaches it by another way, as a fragment
 * does. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "maps.h"
#include "parse.h"
#include "partial.h"
#include "match.h"
#include "limits.h"
#include "egress.h"
#include "rewrite.h"

#define MAX_PAYLOAD4 65507
#define MAX_PAYLOAD6 65527

static __always_inline enum reason relay_packet(struct xdp_md *ctx, struct packet *packet, int *forward);
static __always_inline int is_addressed(struct xdp_md *ctx, const struct settings *settings);
static __always_inline enum reason execute(struct xdp_md *ctx, struct packet *packet, struct flow *flow,
                                           const struct settings *settings, int *forward);
static __always_inline void count_flow(struct flow *flow, __u32 bytes);
static __always_inline void count(const struct packet *packet, enum reason reason);

SEC("xdp")
int relay(struct xdp_md *ctx) {
  struct packet packet = {};
  int forward = XDP_PASS;
  enum reason reason = relay_packet(ctx, &packet, &forward);
  if (reason == FOREIGN)
    return XDP_PASS;
  count(&packet, reason);
  return verdict_of(reason, forward);
}

static __always_inline enum reason relay_packet(struct xdp_md *ctx, struct packet *packet, int *forward) {
  enum reason reason = parse(ctx, packet);
  if (reason != GO_ON)
    return reason;
  __u32 zero = 0;
  const struct settings *settings = bpf_map_lookup_elem(&settings_map, &zero);
  if (!settings)
    return FOREIGN;
  if (!is_addressed(ctx, settings))
    return if_ours(packet, REASON_OTHER_HOST);
  packet->now = settings->clock ? settings->clock : bpf_ktime_get_coarse_ns();
  if (settings->forward_until && packet->now > settings->forward_until)
    return if_ours(packet, REASON_ORPHANED);

  struct flow *flow = NULL;
  reason = match(packet, &flow);
  if (reason == FOREIGN)
    return reason;
  if (reason != GO_ON || !flow)
    return within_budget(packet, settings) ? reason : REASON_SOURCE_BUDGET;
  packet->service = flow->service;
  return execute(ctx, packet, flow, settings, forward);
}

/* Whether the frame has the address of the interface that it came in by. */
static __always_inline int is_addressed(struct xdp_md *ctx, const struct settings *settings) {
  const struct ethernet *ethernet = (void *)(long)ctx->data;
  if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
    return 0;
  __u32 ifindex = ctx->ingress_ifindex;
  const struct link *link = &settings->links[ifindex * settings->spread >> LINK_SHIFT];
  const __be16 *to = ethernet->addresses.destination;
  return link->ifindex == ifindex && to[0] == link->address[0] && to[1] == link->address[1] &&
         to[2] == link->address[2];
}

static __always_inline enum reason execute(struct xdp_md *ctx, struct packet *packet, struct flow *flow,
                                           const struct settings *settings, int *forward) {
  struct change change = {};
  struct hop hop = {};
  __u64 padding;

  plan(packet, flow, &change);
  flow->last_seen = packet->now;
  if (change.payload_bytes > (flow->family == FAMILY_4 ? MAX_PAYLOAD4 : MAX_PAYLOAD6))
    return REASON_TOO_BIG;
  if (flow->bucket && !take(flow->bucket, packet->payload_bytes, packet->now))
    return REASON_RATE_LIMITED;
  if (packet->hop_limit <= 1)
    return REASON_HOP_LIMIT;
  enum reason reason = complete_checksum(ctx, packet);
  if (reason == GO_ON)
    reason = carry_checksum(ctx, packet, flow, &change, &padding);
  if (reason != GO_ON)
    return reason;
  __u32 ip_bytes = change.header_bytes - sizeof(struct ethernet) + change.payload_bytes;
  reason = find_hop(ctx, packet, flow, settings, ip_bytes, &hop);
  if (reason != GO_ON)
    return reason;
  reason = rewrite(ctx, packet, flow, &change, &hop, padding);
  if (reason != GO_ON)
    return reason;
  count_flow(flow, packet->payload_bytes);
  *forward = hop.exit == EXIT_TRANSMIT && hop.ifindex == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(hop.ifindex, 0);
  return flow->direction == TO_PEER ? REASON_FORWARDED_TO_PEER : REASON_FORWARDED_TO_CLIENT;
}

/* Adding atomically takes a sixth of the whole time, and flows hardly ever have two processors at once: a queue of an
 * interface has one. So the one that carries a flow says so, and adds as if it were alone; another that comes along
 * ends that, until the next hop is looked up again. What is under way then may be lost: one packet, at most once a
 * look-up. */
static __always_inline void count_flow(struct flow *flow, __u32 bytes) {
  volatile __u8 *counter = &flow->hop.counter;
  __u32 before = *counter;
  __u32 own = bpf_get_smp_processor_id() + 1;
  if (before == own && own != EVERYBODY) {
    flow->packets += 1;
    flow->bytes += bytes;
    return;
  }
  *counter = before == NOBODY && own < EVERYBODY ? own : EVERYBODY;
  __sync_fetch_and_add(&flow->packets, 1);
  __sync_fetch_and_add(&flow->bytes, bytes);
}

static __always_inline void count(const struct packet *packet, enum reason reason) {
  __u32 index = packet->service * REASONS + reason;
  struct counter *counter = bpf_map_lookup_elem(&counters, &index);
  if (!counter)
    return;
  counter->packets += 1;
  counter->bytes += packet->payload_bytes;
}

/* The helpers want one that the GPL is content with; the MIT license of this project is such a one. */
char _license[] SEC("license") = "Dual MIT/GPL";
