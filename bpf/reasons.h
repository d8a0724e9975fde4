/* Why a packet goes where it goes. Every reason is counted by service; `verdict_of` is the one place that makes
 * verdicts of them. src/engine/xdp/reasons.ts has the same names; a test compares both with the object's BTF. */
#pragma once

#include <linux/bpf.h>

enum reason {
  REASON_FORWARDED_TO_PEER = 0,
  REASON_FORWARDED_TO_CLIENT,

  /* What no flow takes: up to the service. */
  REASON_NO_FLOW,
  REASON_UNKNOWN_CHANNEL,
  REASON_MALFORMED_CHANNEL_DATA,
  REASON_UNKNOWN_RECEIVER,
  REASON_EXCEPTED_WORD,

  /* What another host takes, as a port sees it that is promiscuous or flooded; and what comes in by an interface whose
   * address is not known yet. The stack tells them apart. */
  REASON_OTHER_HOST,

  /* What a flow takes, or might: the same flow in userspace sees to it. */
  REASON_VLAN,
  REASON_IP_OPTIONS,
  REASON_EXTENSION_HEADER,
  REASON_FRAGMENT,
  REASON_TRUNCATED,
  REASON_BAD_LENGTH,
  REASON_BAD_HEADER_CHECKSUM,
  REASON_NO_CHECKSUM,
  REASON_LONG_PADDING,
  REASON_HOP_LIMIT,
  REASON_MTU,
  REASON_NO_ROUTE,
  REASON_NO_NEIGHBOUR,
  REASON_FORWARDING_OFF,
  REASON_EGRESS,
  REASON_NO_HEADROOM,
  REASON_ORPHANED, /* no process has answered for the flows for too long */

  /* The only ones that end here. */
  REASON_TOO_BIG,
  REASON_RATE_LIMITED,
  REASON_SOURCE_BUDGET,
  REASON_BROKEN,
  REASONS,

  /* Not for the table of counters. */
  GO_ON,
  FOREIGN,
};

/* Never a black hole: dropped is only what the reference drops (src/flow/apply.ts), what a source sends beyond its
 * budget, and a frame that was half rewritten when a helper failed, which no known kernel does. `forward` is XDP_TX or
 * what bpf_redirect said. */
static __always_inline int verdict_of(enum reason reason, int forward) {
  switch (reason) {
  case REASON_FORWARDED_TO_PEER:
  case REASON_FORWARDED_TO_CLIENT:
    return forward;
  case REASON_TOO_BIG:
  case REASON_RATE_LIMITED:
  case REASON_SOURCE_BUDGET:
    return XDP_DROP;
  case REASON_BROKEN:
    return XDP_ABORTED;
  default:
    return XDP_PASS;
  }
}
