import type { PairFault } from '../../wire/pair/handshake.ts';

/** Why a datagram came to nothing. Nobody is told: v0.8.2 has no answers. */
export type DropReason =
  | PairFault
  | 'unknown-socket'
  | 'blocked'
  | 'reflector-source'
  | 'over-budget'
  | 'wrong-mac'
  | 'no-nonce'
  | 'stale-nonce'
  | 'bounced-challenge'
  | 'draining'
  | 'source-quota'
  | 'total-quota'
  | 'source-busy'
  | 'same-address'
  | 'third-party'
  | 'too-big'
  | 'rate-limited'
  | 'restore-failed';

/** Why a channel ended. */
export type CloseReason = 'idle' | 'left' | 'draining' | 'blocked';
