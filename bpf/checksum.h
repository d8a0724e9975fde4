/* One's complement sums (RFC 1071), changed rather than computed anew (RFC 1624): words that go are added as their
 * complement. Every word is taken as it lies in memory; the sum does not mind the order of bytes. */
#pragma once

#include <linux/types.h>

/* As good as 0, and more than can be taken out of a sum. */
#define ALL_ONES 0xffff00000000

static __always_inline __u16 fold(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

static __always_inline __u64 added(const __be32 *words, int count) {
  __u64 sum = 0;
  for (int index = 0; index < count; index++)
    sum += words[index];
  return sum;
}

static __always_inline __u64 removed16(__u16 word) { return (__u16)~word; }
