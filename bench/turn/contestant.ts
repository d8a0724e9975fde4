import { createHash } from 'node:crypto';
import type { Child } from '../lib/child.ts';
import type { Topology } from '../lib/topology.ts';

export type ContestantName = 'culvert' | 'coturn' | 'bare';

/** A relay that runs, on the relay's core, and how the load reaches it. */
export interface Contestant {
  readonly name: ContestantName;
  readonly child: Child;
  readonly protocol: 'turn' | 'none';
  /** `address:port` that clients send to. */
  readonly front: string;
  /** Without a protocol: `address:port` of the first port that the peer sends to. */
  readonly back: string | undefined;
}

/** What every contestant is started with. */
export interface Arena {
  readonly topology: Topology;
  /** The program that bench/load compiles to. */
  readonly load: string;
  readonly loadCore: number;
  readonly relayCore: number;
  /** An empty folder that is gone afterwards. */
  readonly scratch: string;
  /** For the contestants that run on Node. */
  readonly nodeFlags: readonly string[];
}

/** A contestant that cannot run here; the message says why. */
export class ContestantMissingError extends Error {
  override readonly name = 'ContestantMissingError';
}

export const USER = 'bench';
export const PASSWORD = 'only-for-benchmarks';
export const REALM = 'culvert';
/** Long-term key (RFC 8489 §9.2.2), for the load program. */
export const KEY_HEX = createHash('md5').update(`${USER}:${REALM}:${PASSWORD}`).digest('hex');

export const PEER_PORT = 7000;
export const MAX_FLOWS = 64;
/** Of a forwarder without a protocol, which knows its clients by port. */
export const BARE_CLIENT_PORT = 9000;

/**
 * Ports of the contestants do not meet, so that all can run at a time: idle ones cost the one that is measured nothing. The forwarder's
 * fixed ones are below those that a system hands out (32768 on), which on loopback others may hold.
 */
export const PORTS = {
  coturn: { front: 3478, relayed: [20_000, 34_999] },
  culvert: { front: 3479, relayed: [35_000, 49_999] },
  bare: { front: 3480, relayed: [12_000, 12_999] },
} as const satisfies Record<ContestantName, { front: number; relayed: readonly [number, number] }>;

/** The command on the relay's side: pinned, with enough descriptors for 10,000 sockets. The pid stays that of the command itself. */
export function relayCommand(arena: Arena, command: readonly string[]): string[] {
  const raised = ['sh', '-c', 'ulimit -n 65536 2>/dev/null; exec "$@"', 'sh'];
  return arena.topology.relaySide(['taskset', '-c', String(arena.relayCore), ...raised, ...command]);
}
