/* What finding a flow costs and nothing else: the key out of the packet, and the first line of what the map has for it. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/layout.h"

/* bench/guard/maps-worker.ts puts that of the relay in its place. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct flow_key4);
  __type(value, struct flow);
} flows4 SEC(".maps");

SEC("xdp")
int lookup(struct xdp_md *ctx) {
  struct iphdr *ip = (void *)(long)ctx->data + sizeof(struct ethhdr);
  struct udphdr *udp = (void *)(ip + 1);
  __be32 *word = (void *)(udp + 1);
  if ((void *)(word + 1) > (void *)(long)ctx->data_end)
    return XDP_ABORTED;
  struct flow_key4 key = {
      .local = ip->daddr,
      .remote = ip->saddr,
      .local_port = udp->dest,
      .remote_port = udp->source,
      .discriminator = *word & 0xffff,
  };
  const struct flow *flow = bpf_map_lookup_elem(&flows4, &key);
  return flow && flow->family ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
