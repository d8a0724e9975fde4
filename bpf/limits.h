/* What a flow may carry, and what a source may send up. */
#pragma once

#include "maps.h"
#include "packet.h"

#define NS_PER_MS          1000000
#define THOUSANDTHS        1000
#define IPV4_PREFIX_MASK   0xffffff00
#define MAX_BUDGET_RETRIES 1

static __always_inline int take(__u64 id, __u32 bytes, __u64 now);
static __always_inline int within_budget(const struct packet *packet, const struct settings *settings);

/* The same arithmetic as TokenBucket.take, so the same verdict. A bucket that is not there lets nothing through: see
 * `Installer`. */
static __always_inline int take(__u64 id, __u32 bytes, __u64 now) {
  struct bucket *bucket = bpf_map_lookup_elem(&buckets, &id);
  if (!bucket)
    return 0;
  __u64 milliseconds = now / NS_PER_MS;
  __u64 cost = (__u64)bytes * THOUSANDTHS;
  int taken = 0;

  bpf_spin_lock(&bucket->lock);
  if (milliseconds > bucket->updated) {
    __u64 elapsed = milliseconds - bucket->updated;
    /* Beyond `full_after` the product might not fit. */
    __u64 level = elapsed >= bucket->full_after ? bucket->depth : bucket->level + elapsed * bucket->rate;
    bucket->level = level < bucket->depth ? level : bucket->depth;
    bucket->updated = milliseconds;
  }
  if (cost <= bucket->level) {
    bucket->level -= cost;
    taken = 1;
  }
  bpf_spin_unlock(&bucket->lock);
  return taken;
}

/* Whether a prefix may send one more packet up. One number for each (the generic cell rate algorithm, ITU-T I.371):
 * when all that it sent will be paid for. Two processors that charge at once may charge once: a budget is no
 * accountant. */
static __always_inline int within_budget(const struct packet *packet, const struct settings *settings) {
  if (settings->budget_interval == 0 || !(packet->port_bits & PORT_BUDGETED))
    return 1;
  struct prefix prefix = {.family = packet->family};
  if (packet->family == FAMILY_4) {
    prefix.network[0] = packet->from[0] & bpf_htonl(IPV4_PREFIX_MASK);
  } else {
    prefix.network[0] = packet->from[0];
    prefix.network[1] = packet->from[1];
  }
  __u64 *paid = bpf_map_lookup_elem(&budgets, &prefix);
  if (!paid) {
    __u64 first = packet->now + settings->budget_interval;
    bpf_map_update_elem(&budgets, &prefix, &first, BPF_ANY);
    return 1;
  }
  __u64 from = *paid > packet->now ? *paid : packet->now;
  __u64 until = from + settings->budget_interval;
  if (until - packet->now > settings->budget_burst)
    return 0;
  *paid = until;
  return 1;
}
