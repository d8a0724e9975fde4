import { createHash } from 'node:crypto';
import type { Arena } from '../lib/arena.ts';
import type { Identity } from '../lib/load.ts';
import type { Relay } from '../lib/relay.ts';

export type ContestantName = 'culvert' | 'coturn' | 'bare';

/** With Culvert's engine: here it is one contestant. */
export interface TurnArena extends Arena {
  readonly engine: string;
}

/** A relay that runs, on the relay's core. */
export interface Contestant extends Relay {
  readonly name: ContestantName;
}

export const USER = 'bench';
export const PASSWORD = 'only-for-benchmarks';
export const REALM = 'culvert';
/** Long-term key (RFC 8489 §9.2.2), for the load program. */
const KEY_HEX = createHash('md5').update(`${USER}:${REALM}:${PASSWORD}`).digest('hex');

/** Who the load is to a TURN server. */
export const IDENTITY: Identity = { user: USER, realm: REALM, key: KEY_HEX };

/**
 * Ports of the contestants do not meet, so that all can run at a time: idle ones cost the one that is measured nothing.
 */
export const PORTS = {
  coturn: { front: 3478, relayed: [20_000, 34_999] },
  culvert: { front: 3479, relayed: [35_000, 49_999] },
} as const;
