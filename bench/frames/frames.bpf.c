/*
 * The load of the engines' benchmark inside the kernel.
 *
 *   generate   run on live frames by BPF_PROG_TEST_RUN: writes a frame anew and redirects it, or drops it when it is not yet time
 *   sink       on the far interface: counts what the relay sent as it should, and passes what is none of the load's
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shared.h"

#define LOST_NS 5000000
/* Looked at more often, the counter of the sink would be taken out of its processor's cache all the time. */
#define LOOK_EVERY 16
#define TIME_EVERY 1024

struct shared shared;

static __always_inline int is_due(struct source_state *source, __u64 *now);
static __always_inline int has_room(struct source_state *source);
static __always_inline int is_as_it_should(const struct iphdr *ip, const struct outcome *outcome);
static __always_inline int is_mac(const __u8 *mac, const __u8 *wanted);
static __always_inline void keep(struct xdp_md *ctx, __u64 number);

SEC("xdp")
int generate(struct xdp_md *ctx) {
  struct source_state *source = &shared.source;
  const struct plan *plan = &shared.plan;
  __u64 stamp = source->sent;
  if (plan->count && source->sent >= plan->count)
    return XDP_DROP;
  if (plan->interval ? !is_due(source, &stamp) : !has_room(source))
    return XDP_DROP;

  __u32 flow = source->flow;
  if (flow >= MAX_FLOWS)
    return XDP_ABORTED;
  if (++source->in_train >= plan->train) {
    source->in_train = 0;
    source->flow = flow + 1 < plan->flows ? flow + 1 : 0;
  }
  __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (data + TEMPLATE_BYTES > end)
    return XDP_ABORTED;
  __builtin_memcpy(data, shared.templates[flow], TEMPLATE_BYTES);
  __u32 at = plan->mark_at & 63;
  struct mark *mark = (void *)(data + at);
  if ((void *)(mark + 1) > (void *)end)
    return XDP_ABORTED;
  mark->stamp = stamp;
  mark->unstamp = ~stamp;
  source->sent++;
  return bpf_redirect(plan->out, 0);
}

SEC("xdp")
int sink(struct xdp_md *ctx) {
  struct sink_state *state = &shared.sink;
  const struct plan *plan = &shared.plan;
  __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  struct ethhdr *ethernet = (void *)data;
  struct iphdr *ip = (void *)(ethernet + 1);
  struct mark *mark = (void *)(data + (plan->sink_mark_at & 63));
  if ((void *)(mark + 1) > (void *)end || data + HEADER_BYTES + PREFIX_MAX > end || mark->magic != MAGIC)
    return XDP_PASS;
  __u32 flow = mark->flow;
  if (flow >= plan->flows || flow >= MAX_FLOWS)
    return XDP_PASS;
  const struct outcome *outcome = &shared.outcomes[flow];
  __u64 *prefix = (void *)(data + HEADER_BYTES), *wanted = (void *)outcome->prefix;
  __u32 *word = (void *)prefix, *wanted_word = (void *)wanted;
  if (!is_as_it_should(ip, outcome) || !is_mac(ethernet->h_dest, plan->sink_mac) ||
      (plan->sink_prefix >= 4 && *word != *wanted_word) ||
      (plan->sink_prefix >= 16 && (prefix[0] != wanted[0] || prefix[1] != wanted[1]))) {
    state->alien++;
    return XDP_DROP;
  }
  if ((state->delivered & plan->sample_mask) == 0)
    keep(ctx, state->delivered / (plan->sample_mask + 1ull));
  state->delivered++;
  if (mark->stamp >= state->arrived)
    state->arrived = mark->stamp + 1;
  if (plan->interval) {
    __u32 at = state->latencies;
    if (at < MAX_LATENCIES) {
      shared.latencies[at] = bpf_ktime_get_ns() - mark->stamp;
      state->latencies = at + 1;
    }
  }
  return XDP_DROP;
}

/* Frames that could not go in time do not go all at once later. */
static __always_inline int is_due(struct source_state *source, __u64 *now) {
  *now = bpf_ktime_get_ns();
  if (*now < source->next)
    return 0;
  source->next = *now - source->next > shared.plan.interval ? *now + shared.plan.interval : source->next + shared.plan.interval;
  return 1;
}

/* What was sent before a frame that arrived is no longer under way. When nothing arrives for a while, nothing is. */
static __always_inline int has_room(struct source_state *source) {
  __u32 window = shared.plan.window;
  if (window == 0 || source->sent - source->settled < window)
    return 1;
  if (++source->spins % LOOK_EVERY)
    return 0;
  __u64 arrived = *(volatile __u64 *)&shared.sink.arrived;
  if (arrived > source->settled) {
    source->settled = arrived;
    source->since = 0;
    return source->sent - arrived < window;
  }
  if (source->spins % TIME_EVERY)
    return 0;
  __u64 now = bpf_ktime_get_ns();
  if (source->since == 0)
    source->since = now;
  else if (now - source->since > LOST_NS)
    source->settled = source->sent;
  return 0;
}

static __always_inline int is_as_it_should(const struct iphdr *ip, const struct outcome *outcome) {
  const struct udphdr *udp = (void *)(ip + 1);
  return ip->protocol == IPPROTO_UDP && ip->saddr == outcome->from && ip->daddr == outcome->to &&
         udp->source == outcome->from_port && udp->dest == outcome->to_port && udp->len == outcome->udp_length;
}

static __always_inline int is_mac(const __u8 *mac, const __u8 *wanted) {
  const __u16 *words = (const void *)mac, *wanted_words = (const void *)wanted;
  return words[0] == wanted_words[0] && words[1] == wanted_words[1] && words[2] == wanted_words[2];
}

static __always_inline void keep(struct xdp_md *ctx, __u64 number) {
  struct sample *sample = &shared.samples[number % SAMPLES];
  __u32 length = ctx->data_end - ctx->data;
  if (length == 0 || length > FRAME_MAX)
    return;
  sample->length = bpf_xdp_load_bytes(ctx, 0, sample->bytes, length) == 0 ? length : 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
