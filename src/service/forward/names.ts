import type { Resolution } from '../../net/resolution.ts';
import { MINUTE, type Millis, SECOND } from '../../net/time.ts';
import type { Deadline } from '../deadlines.ts';
import { retryWaiting } from './connections.ts';
import type { Core } from './core.ts';
import { startChecks, stopChecks } from './health.ts';
import { isSafeAnswer } from './upstream-filter.ts';
import type { Upstream } from './upstreams.ts';

/** A name of one or several upstreams. Its deadline: when to ask again. */
export class Name implements Deadline {
  at: Millis = 0;
  position = -1;
  readonly name: string;
  readonly users = new Set<Upstream>();
  /** Undefined until the first answer, good or bad. */
  failing: boolean | undefined = undefined;
  /** Since when it fails or not, and why it does. */
  since: Millis = 0;
  detail = '';
  /** The last good answer. */
  addresses: readonly string[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

/** From now on the upstream has the addresses of its name. */
export function follow(core: Core, upstream: Upstream, now: Millis): void {
  if (upstream.rule.kind !== 'name') return;
  let name = core.names.get(upstream.rule.name);
  if (name === undefined) {
    name = new Name(upstream.rule.name);
    core.names.set(name.name, name);
    ask(core, name, now);
  }
  name.users.add(upstream);
  if (name.addresses.length > 0) upstream.setAddresses(name.addresses);
}

export function unfollow(core: Core, upstream: Upstream): void {
  if (upstream.rule.kind !== 'name') return;
  const name = core.names.get(upstream.rule.name);
  name?.users.delete(upstream);
  if (name === undefined || name.users.size > 0) return;
  core.deadlines.clear(name);
  core.names.delete(name.name);
}

/** An answer that never comes is asked for again. */
export function ask(core: Core, name: Name, now: Millis): void {
  core.orders.add({ type: 'resolve', name: name.name });
  core.deadlines.set(name, now + PATIENCE);
}

/** A name that fails keeps its last good answer; connections and sessions stay where they are whatever the answer. */
export function handleResolved(core: Core, text: string, resolution: Resolution, now: Millis): void {
  const name = core.names.get(text);
  if (name === undefined) return;
  const addresses = resolution.ok ? safe(core, name, resolution.addresses) : [];
  const failing = addresses.length === 0;
  if (failing !== (name.failing ?? false)) report(core, name, failing, resolution);
  if (failing !== name.failing) name.since = now;
  name.failing = failing;
  name.detail = detailOf(resolution);
  const wait = resolution.ok && !failing ? Math.min(Math.max(resolution.ttl, MIN_TTL), MAX_TTL) : RETRY;
  core.deadlines.set(name, now + wait);
  if (!failing) spread(core, name, addresses, now);
  for (const forward of new Set([...name.users].map((user) => user.forward))) retryWaiting(core, forward, now);
}

function spread(core: Core, name: Name, addresses: readonly string[], now: Millis): void {
  name.addresses = addresses;
  for (const upstream of name.users) {
    const { came, went } = upstream.setAddresses(addresses);
    for (const target of went) stopChecks(core, target);
    for (const target of came) target.since = now;
    for (const target of came) startChecks(core, target, now);
  }
}

function safe(core: Core, { name }: Name, addresses: readonly string[]): string[] {
  return [...new Set(addresses)].slice(0, MAX_ADDRESSES).filter((address) => {
    if (isSafeAnswer(name, address)) return true;
    core.drop('unsafe-address');
    return false;
  });
}

function report(core: Core, { name, addresses }: Name, failing: boolean, resolution: Resolution): void {
  if (!failing) {
    core.event('info', 'forward-name-resolved', { name });
    return;
  }
  core.event('warn', 'forward-name-failed', { name, detail: detailOf(resolution), lastGood: addresses.length > 0 });
}

/** Of one that failed. */
function detailOf(resolution: Resolution): string {
  return resolution.ok ? 'no address that may be used: loopback and metadata only if written' : resolution.detail;
}

/** A TTL of 0 means "ask each time". */
const MIN_TTL: Millis = SECOND;
const MAX_TTL: Millis = 60 * MINUTE;
const RETRY: Millis = 10 * SECOND;
const PATIENCE: Millis = 30 * SECOND;
/** Of one name. */
const MAX_ADDRESSES = 32;
