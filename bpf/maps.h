/* The maps. Userspace sets the sizes of the flow maps and of `buckets` before it loads; what stands here is the
 * default.
 *
 * BPF_F_NO_PREALLOC: a million flows take their 200 MB only when they are there; an empty map costs 16 bytes an entry,
 * for its table. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"
#include "reasons.h"

#define FLOWS(name, key_type, size)                                                                                    \
  struct {                                                                                                             \
    __uint(type, BPF_MAP_TYPE_HASH);                                                                                   \
    __uint(map_flags, BPF_F_NO_PREALLOC);                                                                              \
    __uint(max_entries, size);                                                                                         \
    __type(key, key_type);                                                                                             \
    __type(value, struct flow);                                                                                        \
  } name SEC(".maps")

FLOWS(flows4, struct flow_key4, 1048576);
FLOWS(flows6, struct flow_key6, 1048576);
FLOWS(receivers4, struct flow_key4, 262144);
FLOWS(receivers6, struct flow_key6, 262144);

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 65536);
  __type(key, __u32);
  __type(value, struct port);
} ports SEC(".maps");

/* Addresses of this host: what is sent to another host's port is none of ours. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 4096);
  __type(key, __be32);
  __type(value, __u32);
} own4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 4096);
  __type(key, struct own_key6);
  __type(value, __u32);
} own6 SEC(".maps");

/* Interfaces, by index, that frames may leave by: those that can send what a program hands them. The value is an enum
 * exit. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u32);
} egress SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1048576);
  __type(key, __u64);
  __type(value, struct bucket);
} buckets SEC(".maps");

/* prefix → when it will have paid for what it sent. The least recently seen makes way. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, struct prefix);
  __type(value, __u64);
} budgets SEC(".maps");

/* next hop → when a flow last looked it up. What XDP sends does not keep the kernel's entry of it alive: userspace
 * does, for those that are used. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct neighbour);
  __type(value, __u64);
} neighbours SEC(".maps");

/* service * REASONS + reason */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SERVICES *REASONS);
  __type(key, __u32);
  __type(value, struct counter);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct settings);
} settings_map SEC(".maps");
