#ifndef CULVERT_BENCH_LIMIT_H
#define CULVERT_BENCH_LIMIT_H

#include <linux/types.h>

/* What every frame becomes. */
struct limit_plan {
  __be16 port; /* frames to this one */
  __u8 ethernet[12];
  __be32 from, to;
  __be16 from_port, to_port;
  __u32 check_change; /* of the IP header's checksum, which the addresses alone decide */
  __u32 out;          /* interface */
};

#endif
