import type { Endpoint } from '../../net/endpoint.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { Millis } from '../../net/time.ts';
import type { BudgetOptions } from '../limiter.ts';

/** Everything the TURN service must be told; made by the composition root from the configuration file. */
export interface TurnConfig {
  readonly realm: string;
  /** Text of SOFTWARE; empty = the attribute is left out. */
  readonly software: string;
  /** Only channels 0x4000 to 0x4FFF (RFC 8656), not up to 0x7FFF (RFC 5766). */
  readonly strictChannels: boolean;
  readonly credentials: CredentialConfig;
  /** Key of the nonce HMAC, 32 bytes: one per state folder, so that nonces outlive a restart. */
  readonly nonceKey: Uint8Array;
  readonly nonceLifetime: Millis;
  readonly relay: { readonly ipv4?: RelayAddress; readonly ipv6?: RelayAddress };
  /** Inclusive. */
  readonly ports: { readonly min: number; readonly max: number };
  readonly peers: { readonly allow: readonly Prefix[]; readonly deny: readonly Prefix[] };
  /** Our own listeners and administrative ports, which are never peers. A wildcard address stands for every own address. */
  readonly ownEndpoints: readonly Endpoint[];
  /** Addresses of this machine, canonical: with an own port they are never peers. */
  readonly ownAddresses: readonly string[];
  /** 0 = no limit. bytesPerSecond is per allocation and direction. */
  readonly quota: { readonly perUser: number; readonly total: number; readonly bytesPerSecond: number };
  readonly lifetime: { readonly default: Millis; readonly max: Millis };
  /** Per allocation. */
  readonly maxPermissions: number;
  readonly maxChannels: number;
  /** Of replies that need no credentials: Binding success, 401, 438, 400, 420. One token a reply. */
  readonly unauthenticatedBudget: BudgetOptions;
  /** What the engine below can do. */
  readonly canSetDontFragment: boolean;
}

/** A relayed address: what clients are told, and what is bound (they differ behind a static NAT). Canonical text. */
export interface RelayAddress {
  readonly advertised: string;
  readonly bind: string;
}

export interface CredentialConfig {
  /** Long-term: name → password (RFC 8489 §9.2). */
  readonly users: ReadonlyMap<string, string>;
  /** Time-limited (REST): any of these secrets. */
  readonly secrets: readonly string[];
  /** Firezone's form: any of these stamp secrets. */
  readonly stampSecrets: readonly string[];
}
