import type { StunFault } from '../../wire/stun/codec.ts';
import type { AuthRefusal } from './auth.ts';
import type { PeerRefusal } from './peer-filter.ts';

/**
 * Why a request is refused, and the code that says so (RFC 8489 §14.8, RFC 8656 §19). Several names share a code: the code is for
 * the client, the name for the operator. Where an answer would reach someone who never asked, the name is counted all the same.
 */
export const REFUSAL_CODES = {
  'malformed-request': 400,
  'unknown-method': 400,
  'no-requested-transport': 400,
  'conflicting-attributes': 400,
  'bad-additional-family': 400,
  'no-peer-address': 400,
  'no-channel-number': 400,
  'channel-out-of-range': 400,
  'channel-taken': 400,
  'peer-has-channel': 400,
  'tunnelled-client': 403,
  'peer-port-zero': 403,
  'peer-denied': 403,
  'peer-special-purpose': 403,
  'peer-own-listener': 403,
  'peer-blocked': 403,
  'unknown-attribute': 420,
  'allocation-exists': 437,
  'allocation-missing': 437,
  'replayed-nonce': 438,
  'family-unsupported': 440,
  'wrong-user': 441,
  'transport-unsupported': 442,
  'family-mismatch': 443,
  'user-quota': 486,
  'total-quota': 486,
  'unknown-reservation': 508,
  'no-free-port': 508,
  'port-not-opened': 508,
  'too-many-openings': 508,
  draining: 508,
  'too-many-permissions': 508,
  'too-many-channels': 508,
} as const satisfies Record<string, number> & Record<PeerRefusal, 403>;

export type Refusal = keyof typeof REFUSAL_CODES;
export type RefusalCode = (typeof REFUSAL_CODES)[Refusal] | 401;

/** RFC 8489 §14.8 and RFC 8656 §19 recommend these phrases. */
export const REASON_PHRASES: Readonly<Record<RefusalCode, string>> = {
  400: 'Bad Request',
  401: 'Unauthenticated',
  403: 'Forbidden',
  420: 'Unknown Attribute',
  437: 'Allocation Mismatch',
  438: 'Stale Nonce',
  440: 'Address Family not Supported',
  441: 'Wrong Credentials',
  442: 'Unsupported Transport Protocol',
  443: 'Peer Address Family Mismatch',
  486: 'Allocation Quota Reached',
  508: 'Insufficient Capacity',
};

/** Why something came to nothing without an answer. */
export type SilentDrop =
  | 'unknown-socket'
  | 'unknown-stream'
  | 'blocked'
  | 'reflector-source'
  | 'not-turn'
  | 'response'
  | 'unexpected-indication'
  | 'retransmission'
  | 'over-budget'
  | 'malformed-channel-data'
  | 'unknown-channel'
  | 'malformed-indication'
  | 'no-allocation'
  | 'no-permission'
  | 'port-not-open'
  | 'rate-limited'
  | 'too-big'
  | 'stream-garbage'
  | 'stream-idle'
  | 'restore-failed';

export type DropReason = Refusal | AuthRefusal | StunFault | SilentDrop;
