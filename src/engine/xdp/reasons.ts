import type { Direction } from '../../flow/flow.ts';

/** enum reason of bpf/reasons.h, in its order: what the kernel counts for each service. A test compares the two. */
export const REASONS = [
  'forwarded-to-peer',
  'forwarded-to-client',
  'no-flow',
  'unknown-channel',
  'malformed-channel-data',
  'unknown-receiver',
  'excepted-word',
  'other-host',
  'vlan',
  'ip-options',
  'extension-header',
  'fragment',
  'truncated',
  'bad-length',
  'bad-header-checksum',
  'no-checksum',
  'long-padding',
  'hop-limit',
  'mtu',
  'no-route',
  'no-neighbour',
  'forwarding-off',
  'egress',
  'no-headroom',
  'orphaned',
  'too-big',
  'rate-limited',
  'source-budget',
  'broken',
] as const;

export type Reason = (typeof REASONS)[number];
/** Those that end in the kernel. Every other packet was forwarded there or passed to userspace, which counts what becomes of it. */
export const DROPS: ReadonlySet<Reason> = new Set(['too-big', 'rate-limited', 'source-budget', 'broken']);

export const FORWARDED: Readonly<Record<Direction, Reason>> = {
  to_peer: 'forwarded-to-peer',
  to_client: 'forwarded-to-client',
};
