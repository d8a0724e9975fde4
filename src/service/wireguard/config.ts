import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { BudgetOptions } from '../limiter.ts';

/** Everything the WireGuard relay must be told; made by the composition root from the configuration file. */
export interface WireguardConfig {
  /** Only these are relayed, told apart by mac1. Empty: whoever comes, by bounded fan-out. */
  readonly peers: readonly PeerConfig[];
  /** Unknown sources must show a cookie of ours before their initiations go anywhere. Needs `peers`. */
  readonly challenge: boolean;
  /** The relay as a peer of its clients. Needs `peers`. */
  readonly proof?: ProofConfig;
  /** Where this relay itself is reached: nobody else sends from there. */
  readonly ownEndpoints: readonly Endpoint[];
  /** Endpoints that proved themselves. */
  readonly maxClients: number;
  /** Endpoints that have sent initiations but proved nothing yet. */
  readonly maxStrangers: number;
  /** How many endpoints an initiation goes to when nobody knows whom it is for. */
  readonly fanOut: number;
  /** A client is forgotten after that long without a packet. */
  readonly timeout: Millis;
  /** 0 = no limit. bytesPerSecond is what one client may send, to all its partners together. */
  readonly quota: { readonly bytesPerSecond: number };
  /** Initiations from one source, one token each. */
  readonly initiations: BudgetOptions;
  /** Initiations of others to one destination: one token each, two where it proved nothing yet, a tenth where it is known to have the key. */
  readonly unasked: BudgetOptions;
  /** Full searches among the registered keys that one source may cause. */
  readonly searches: BudgetOptions;
  /** mac1 computations a second for sources that are not in the cache. */
  readonly hashesPerSecond: number;
}

export interface ProofConfig {
  /** X25519, 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Only endpoints that proved a key of `peers` are relayed. */
  readonly required: boolean;
  /** Operations on the curve; a handshake takes five. */
  readonly agreementsPerSecond: number;
}

export interface PeerConfig {
  /** For people. */
  readonly name: string;
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}
