/* What the programs in the kernel and the one that drives them both see: one block of memory, of the object's .bss. */
#ifndef CULVERT_BENCH_SHARED_H
#define CULVERT_BENCH_SHARED_H

#include <linux/types.h>

#define MAX_FLOWS 1024
#define MAX_LATENCIES (1 << 17)
#define FRAME_MAX 1514
#define SAMPLES 8
#define MAGIC 0xc01ffa3eu

/*   | Ethernet 14 | IPv4 20 | UDP 8 | prefix 0, 4 or 16 | mark 24 | filling ...
 *
 * A frame that comes back from the relay has been written to: its first TEMPLATE_BYTES are put there anew each time. */
#define HEADER_BYTES 42
#define PREFIX_MAX 16
#define TEMPLATE_BYTES 88

/* What the payload starts with behind the prefix. A number and its complement add up to nothing in a checksum: so that
 * of a flow's frames is always the same. */
struct mark {
  __u32 magic;
  __u32 flow;
  __u64 stamp; /* its number; with a rate: when it was sent, of CLOCK_MONOTONIC */
  __u64 unstamp;
};

struct plan {
  __u32 out; /* interface */
  __u32 flows;
  __u32 train;   /* frames of one flow before the next's turn */
  __u32 window;  /* frames under way at most; 0 = as many as go */
  __u64 interval; /* nanoseconds between two; 0 = no rate */
  __u64 count;   /* after so many it is over; 0 = never */
  __u32 mark_at; /* in the frames that are sent */
  __u32 sink_mark_at;
  __u32 sink_prefix;
  __u32 sample_mask; /* of every so many frames one is kept whole */
  __u8 sink_mac[6];
};

/* What the relay should make of a flow's frames. */
struct outcome {
  __be32 from, to;
  __be16 from_port, to_port;
  __be16 udp_length;
  __u8 prefix[PREFIX_MAX];
};

/* Written by one processor each, and each on its own cache lines. */
struct source_state {
  __u64 sent;
  __u64 next;    /* when */
  __u64 settled; /* frames that are not under way any more */
  __u64 since;   /* when it was seen that nothing arrives */
  __u32 flow, in_train, spins;
} __attribute__((aligned(128)));

struct sink_state {
  __u64 delivered;
  __u64 alien; /* ours, but not as the relay should send them */
  __u64 arrived; /* the highest number + 1 */
  __u32 latencies;
} __attribute__((aligned(128)));

struct sample {
  __u32 length;
  __u8 bytes[FRAME_MAX + 2];
};

struct shared {
  struct plan plan;
  struct source_state source;
  struct sink_state sink;
  __u8 templates[MAX_FLOWS][TEMPLATE_BYTES] __attribute__((aligned(8)));
  struct outcome outcomes[MAX_FLOWS];
  struct sample samples[SAMPLES];
  __u32 latencies[MAX_LATENCIES];
};

#endif
