import type { Family } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { KeepAlive } from '../../net/stream-target.ts';
import type { Millis } from '../../net/time.ts';
import type { ServerNames } from './server-names.ts';

/** Everything the forward service must be told; made by the composition root from the configuration file. */
export interface ForwardConfig {
  /** Names are unique. */
  readonly rules: readonly ForwardRule[];
}

/** One forward: what comes in at its listeners goes to one of its upstreams. */
export interface ForwardRule {
  readonly name: string;
  readonly transport: 'stream' | 'dgram';
  /** With `serverNames` those of all names. */
  readonly upstreams: readonly UpstreamRule[];
  /** Of streams: clients speak TLS, and which of the upstreams are theirs is said by the name that they ask for. */
  readonly serverNames: ServerNames | undefined;
  readonly balance: 'roundRobin' | 'leastConnections' | 'sourceHash';
  /** For one upstream; then the next is tried. */
  readonly connectTimeout: Millis;
  readonly keepAlive: KeepAlive | undefined;
  /** Without a byte either way a connection or session ends; 0 = never, of connections only. */
  readonly idle: Millis;
  readonly health: HealthRule | undefined;
  /** Who begins with a PROXY protocol header, which must then be there. */
  readonly proxyIn: readonly Prefix[];
  readonly proxyOut: 'off' | 'v1' | 'v2';
  /** Upstreams see the client's address as the source: their own family's clients, and no others, are led to them. */
  readonly transparent: boolean;
  /** Of clients; empty = all. `deny` wins. */
  readonly allow: readonly Prefix[];
  readonly deny: readonly Prefix[];
  readonly limits: ForwardLimits;
  /** How long who is there may stay once nobody new is served. */
  readonly drain: Millis;
}

export interface ForwardLimits {
  /** Connections and sessions at a time. */
  readonly total: number;
  /** Of one address; 0 = no limit. */
  readonly perSource: number;
  /** New ones a second of one address; 0 = no limit. */
  readonly ratePerSource: number;
}

/** `ports`: the first goes with the first port of the listener, and so on; a single one takes all. */
export type UpstreamRule =
  | { readonly kind: 'address'; readonly family: Family; readonly address: string; readonly ports: Ports }
  | { readonly kind: 'name'; readonly name: string; readonly ports: Ports }
  | { readonly kind: 'unix'; readonly path: string };

/** Inclusive. */
export interface Ports {
  readonly min: number;
  readonly max: number;
}

export interface HealthRule {
  readonly interval: Millis;
  readonly timeout: Millis;
  /** Good checks in a row that bring an upstream back, failed ones that take it out. */
  readonly rise: number;
  readonly fall: number;
  /** Of UDP only: what is sent, and what the reply must begin with (empty: any reply will do). */
  readonly request: Uint8Array;
  readonly reply: Uint8Array;
}

/** One upstream in words, the same for equal rules. */
export function upstreamKey(rule: UpstreamRule): string {
  if (rule.kind === 'unix') return rule.path;
  const { min, max } = rule.ports;
  const host = rule.kind === 'name' ? rule.name : rule.family === 6 ? `[${rule.address}]` : rule.address;
  return `${host}:${min === max ? min : `${min}-${max}`}`;
}
