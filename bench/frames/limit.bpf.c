/* The least that a relay in XDP can do: the headers become constants, and the frame goes out. Nothing is looked up, nothing counted. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "limit.h"

struct limit_plan limit;

SEC("xdp")
int rewrite(struct xdp_md *ctx) {
  struct ethhdr *ethernet = (void *)(long)ctx->data;
  struct iphdr *ip = (void *)(ethernet + 1);
  struct udphdr *udp = (void *)(ip + 1);
  if ((void *)(udp + 1) > (void *)(long)ctx->data_end || ethernet->h_proto != bpf_htons(ETH_P_IP) ||
      ip->protocol != IPPROTO_UDP || udp->dest != limit.port)
    return XDP_PASS;
  __builtin_memcpy(ethernet, limit.ethernet, sizeof(limit.ethernet));
  ip->saddr = limit.from;
  ip->daddr = limit.to;
  __u32 check = ip->check + limit.check_change;
  ip->check = (check & 0xffff) + (check >> 16);
  udp->source = limit.from_port;
  udp->dest = limit.to_port;
  udp->check = 0;
  return bpf_redirect(limit.out, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
