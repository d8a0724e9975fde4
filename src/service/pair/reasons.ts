import type { PairFault } from '../../wire/pair/handshake.ts';

/** Why a datagram came to nothing. Nobody is told: v0.8.2 has no answers. */
export type DropReason =
  | NoHandshake
  | 'unknown-socket'
  | 'blocked'
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

/** Why a datagram is no handshake, as far as was looked. Of who sits at a pair it is data then. */
export type NoHandshake = PairFault | 'reflector-source' | 'over-budget' | 'wrong-mac';

/** Why a channel ended. */
export type CloseReason = 'idle' | 'left' | 'draining' | 'blocked';
