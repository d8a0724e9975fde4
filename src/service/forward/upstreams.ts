import type { Family } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId, StreamId } from '../../net/ids.ts';
import type { StreamTarget } from '../../net/stream-target.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import type { Deadline } from '../deadlines.ts';
import { type UpstreamRule, upstreamKey } from './config.ts';
import type { Forward } from './forward.ts';

/** One entry of `to`, with the addresses that it has now. */
export class Upstream {
  readonly forward: Forward;
  readonly rule: UpstreamRule;
  readonly key: string;
  targets: readonly Target[];

  constructor(forward: Forward, rule: UpstreamRule) {
    this.forward = forward;
    this.rule = rule;
    this.key = upstreamKey(rule);
    this.targets = rule.kind === 'name' ? [] : [new Target(this, rule.kind === 'address' ? rule.address : '')];
  }

  /** Targets whose address stays are the same objects as before; those that came and went are returned. */
  setAddresses(addresses: readonly string[]): { came: Target[]; went: Target[] } {
    const before = this.targets;
    this.targets = addresses.map(
      (address) => before.find((one) => one.address === address) ?? new Target(this, address),
    );
    return {
      came: this.targets.filter((target) => !before.includes(target)),
      went: before.filter((target) => !this.targets.includes(target)),
    };
  }
}

/** One address of an upstream: what is connected to, checked, and found up or down. Its deadline is that of its health check. */
export class Target implements Deadline {
  at: Millis = 0;
  position = -1;
  readonly upstream: Upstream;
  /** Its number in the forward, which no other gets. */
  readonly tag: number;
  /** Canonical; empty for a unix socket. */
  readonly address: string;
  /** What the health checks say; up until they say otherwise. */
  up = true;
  /** A check was good once. Until then one check is enough, either way: nothing is known that could speak against it. */
  proven = false;
  /** Since when `up` is what it is; 0 before the first look. */
  since: Millis = 0;
  /** Of the last failure, while nothing better is known. */
  reason: string | undefined = undefined;
  /** Checks in a row that speak against `up`. */
  contrary = 0;
  check: Check | undefined = undefined;
  /** Until when it comes last, because a connect failed. */
  suspectUntil: Millis = 0;
  /** Connections and sessions. */
  active = 0;

  constructor(upstream: Upstream, address: string) {
    this.upstream = upstream;
    this.tag = upstream.forward.nextTag++;
    this.address = address;
  }

  get name(): string {
    const { rule, key } = this.upstream;
    return rule.kind === 'name' ? `${key} (${this.address})` : key;
  }

  /** `offset`: how many ports above the listener's first. */
  place(offset: number): StreamTarget {
    const { rule } = this.upstream;
    return rule.kind === 'unix' ? { path: rule.path } : this.endpoint(offset);
  }

  /** Not of a unix socket. */
  endpoint(offset: number): Endpoint {
    const { rule } = this.upstream;
    if (rule.kind === 'unix') throw new TypeError('a unix socket has no endpoint');
    const port = Math.min(rule.ports.min + offset, rule.ports.max);
    return { family: this.family, address: this.address, port };
  }

  /** Not of a unix socket. */
  get family(): Family {
    return this.address.includes(':') ? 6 : 4;
  }

  suspect(reason: string, now: Millis): void {
    this.suspectUntil = now + SUSPICION;
    this.reason = reason;
  }
}

/** A health check under way. */
export type Check =
  | { readonly kind: 'stream'; readonly stream: StreamId }
  | { readonly kind: 'port'; readonly socket: SocketId };

/** How long a target that could not be connected to is asked last. */
const SUSPICION: Millis = 10 * SECOND;
