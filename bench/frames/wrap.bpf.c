/*
 * BPF_PROG_TEST_RUN does not put the packet back between repeats: the second would see what the first made of it. This puts it back, perhaps
 * as of another flow, and goes on to the program that is measured (a tail call). With none in its place one measures this alone.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HEAD_BYTES 96
#define NETWORK 0x0a000000u

/* bench/guard/wrapped.ts writes it. */
struct {
  __u32 length;    /* of the frame */
  __u32 mask;      /* number of flows - 1, or 0: then frames stay as they are */
  __u32 random;
  __u32 unused;
  __u8 head[HEAD_BYTES];
} plan;

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} next SEC(".maps");

static __always_inline void choose_flow(struct iphdr *ip);

SEC("xdp")
int wrap(struct xdp_md *ctx) {
  int grown = (int)(ctx->data_end - ctx->data) - (int)plan.length;
  if (grown && bpf_xdp_adjust_head(ctx, grown))
    return XDP_ABORTED;
  __u8 *data = (void *)(long)ctx->data;
  if (data + HEAD_BYTES > (__u8 *)(long)ctx->data_end)
    return XDP_ABORTED;
  __builtin_memcpy(data, plan.head, HEAD_BYTES);
  if (plan.mask)
    choose_flow((void *)(data + sizeof(struct ethhdr)));
  bpf_tail_call(ctx, &next, 0);
  return XDP_ABORTED;
}

/* In an order in which nothing is near what was before: the sender 10.0.0.0 + number. */
static __always_inline void choose_flow(struct iphdr *ip) {
  plan.random = plan.random * 1664525 + 1013904223;
  ip->saddr = bpf_htonl(NETWORK | ((plan.random >> 8) & plan.mask));
  ip->check = 0;
  __u32 *words = (void *)ip;
  __u64 sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ip->check = ~sum;
}

char _license[] SEC("license") = "Dual MIT/GPL";
