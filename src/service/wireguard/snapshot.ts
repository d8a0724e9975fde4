import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { KeptEntry } from '../kept.ts';
import { count, endpoint as endpointShape, fields, list, optional, text, time, whole } from '../kept-shape.ts';
import type { Core } from './core.ts';
import { becomeClient, forget, giveKey, lastSeen } from './members.ts';
import { setProof } from './proven.ts';
import { nameOf, type RegisteredKey } from './registry.ts';
import { Remote, Route } from './remote.ts';
import { add, installFlow } from './routes.ts';
import type { Totals } from './statistics.ts';

/**
 * Clients, their live routes and the totals as a plain value that survives JSON. Listeners are named by where they are bound. Not in it:
 * strangers and half-made handshakes (the peers' next try makes them again), budgets, counters.
 */
export interface Snapshot {
  readonly version: 1;
  readonly totals: Totals;
  readonly clients: readonly ClientSnapshot[];
  /** Public key → timestamp of the latest initiation for this relay, both base64. */
  readonly timestamps?: Readonly<Record<string, string>>;
}

interface ClientSnapshot {
  /** endpointKey of the listener. */
  readonly listener: string;
  readonly endpoint: Endpoint;
  /** Public keys, base64. */
  readonly keys: readonly string[];
  /** Which of them is proven, and until when. Sessions with this relay are not kept: their keys are nobody's business. */
  readonly proof?: { readonly key: string; readonly until: Millis };
  readonly firstSeen: Millis;
  readonly lastSeen: Millis;
  readonly packets: number;
  readonly bytes: number;
  /** The links whose handshake it began. */
  readonly routes: readonly RouteSnapshot[];
}

/** Both directions of a link. */
interface RouteSnapshot {
  /** placeKey of the other end. */
  readonly responder: string;
  /** What the initiator writes, and what the responder writes. */
  readonly toResponder: number;
  readonly toInitiator: number;
  readonly expiresAt: Millis;
}

export function takeSnapshot(core: Core): Snapshot {
  const clients = [...core.table.clients].flatMap((remote) => recordClient(core, remote) ?? []);
  const timestamps = Object.fromEntries(
    core.registry.keys.filter(isUsed).map((key) => [nameOf(key.publicKey), timestampOf(key)]),
  );
  return { version: 1, totals: core.statistics.totals(core), clients, timestamps };
}

/** One for each client, one for each key whose owner spoke to this relay, and the totals when there are any. */
export function* entriesOf(
  core: Core,
  things: Iterable<Remote | RegisteredKey>,
  totals: Totals | undefined,
): Iterable<KeptEntry> {
  if (totals !== undefined) yield { key: 'totals', value: { totals } };
  for (const thing of things) {
    const entry = thing instanceof Remote ? clientEntry(core, thing) : keyEntry(thing);
    if (entry !== undefined) yield entry;
  }
}

export function snapshotOf(values: readonly object[]): Snapshot {
  const totals = values.flatMap((value) => ('totals' in value ? (value.totals as Totals) : []))[0];
  const timestamps = values.flatMap((value) => ('timestamp' in value ? [value as KeyRecord] : []));
  return {
    version: 1,
    totals: totals ?? { clients: 0, packets: 0, bytes: 0, blocked: 0 },
    clients: values.filter((value): value is ClientSnapshot => 'endpoint' in value),
    timestamps: Object.fromEntries(timestamps.map(({ publicKey, timestamp }) => [publicKey, timestamp])),
  };
}

/** Into a service without clients whose listeners are known. What has expired, is blocked, or came by a listener that is gone is left out. */
export function restoreSnapshot(core: Core, snapshot: Snapshot, now: Millis): void {
  if (snapshot.version !== 1) throw new SnapshotError(`unknown snapshot version ${String(snapshot.version)}`);
  if (core.table.clients.size > 0) throw new SnapshotError('restore() into a service that has clients already');
  if (TOTALS(snapshot.totals)) core.statistics.base = snapshot.totals;
  for (const key of core.registry.keys) {
    const timestamp = snapshot.timestamps?.[nameOf(key.publicKey)];
    if (TIMESTAMP(timestamp)) key.timestamp = new Uint8Array(Buffer.from(timestamp ?? '', 'base64'));
  }
  const clients = snapshot.clients.filter((record) => CLIENT(record) || core.drop('restore-failed'));
  const linked = linkedUntil(clients);
  const remotes = new Map<string, Remote>();
  for (const record of clients) {
    const key = placeKey(record.listener, record.endpoint);
    const remote = restoreClient(core, record, linked.get(key) ?? 0, now);
    if (remote !== undefined) remotes.set(key, remote);
  }
  for (const { listener, endpoint, routes } of clients) {
    const initiator = remotes.get(placeKey(listener, endpoint));
    for (const route of routes) {
      const responder = remotes.get(route.responder);
      if (initiator === undefined || responder === undefined || route.expiresAt <= now) core.drop('restore-failed');
      else if (core.proof?.required && !(initiator.proof && responder.proof)) core.drop('restore-failed');
      else restoreRoute(core, route, initiator, responder);
    }
  }
}

/** Our mistake, not a client's: a snapshot that this version cannot read, or a restore at the wrong time. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code = 'CULVERT_WIREGUARD_SNAPSHOT';
}

function clientEntry(core: Core, { socket, endpoint }: Remote): KeptEntry | undefined {
  const listener = core.listeners.get(socket);
  if (listener === undefined) return undefined;
  const current = core.table.find(socket, endpoint);
  return { key: placeKey(endpointKey(listener), endpoint), value: current && recordClient(core, current) };
}

interface KeyRecord {
  /** Both base64. */
  readonly publicKey: string;
  readonly timestamp: string;
}

function keyEntry(key: RegisteredKey): KeptEntry | undefined {
  if (!isUsed(key)) return undefined;
  const publicKey = nameOf(key.publicKey);
  return { key: publicKey, value: { publicKey, timestamp: timestampOf(key) } satisfies KeyRecord };
}

function isUsed({ timestamp }: RegisteredKey): boolean {
  return timestamp.some((byte) => byte !== 0);
}

function timestampOf({ timestamp }: RegisteredKey): string {
  return Buffer.from(timestamp).toString('base64');
}

function recordClient(core: Core, remote: Remote): ClientSnapshot | undefined {
  const { socket, endpoint, client, keys, routes, proof } = remote;
  const listener = core.listeners.get(socket);
  if (client === undefined || listener === undefined) return undefined;
  const counters = [...routes.values()].map(({ flow }) => flow && core.flows.read(flow));
  return {
    listener: endpointKey(listener),
    endpoint: { family: endpoint.family, address: endpoint.address, port: endpoint.port },
    keys: keys.map(({ publicKey }) => nameOf(publicKey)),
    ...(proof && { proof: { key: nameOf(proof.key.publicKey), until: proof.at } }),
    firstSeen: client.firstSeen,
    lastSeen: lastSeen(core, remote),
    packets: counters.reduce((sum, counter) => sum + (counter?.packets ?? 0), client.packets),
    bytes: counters.reduce((sum, counter) => sum + (counter?.bytes ?? 0), client.bytes),
    routes: [...routes.values()].flatMap((route) => recordRoute(core, route) ?? []),
  };
}

function recordRoute(core: Core, { ofInitiator, stage, back, to, index, at }: Route): RouteSnapshot | undefined {
  const listener = core.listeners.get(to.socket);
  if (!ofInitiator || stage !== 'live' || back === undefined || listener === undefined) return undefined;
  const responder = placeKey(endpointKey(listener), to.endpoint);
  return { responder, toResponder: index, toInitiator: back.index, expiresAt: at };
}

/** Until when each client has a link: it is not gone, although what is known of its last packet may be older than its process was. */
function linkedUntil(clients: readonly ClientSnapshot[]): Map<string, Millis> {
  const until = new Map<string, Millis>();
  for (const { listener, endpoint, routes } of clients) {
    for (const { responder, expiresAt } of routes) {
      for (const key of [placeKey(listener, endpoint), responder]) {
        until.set(key, Math.max(until.get(key) ?? 0, expiresAt));
      }
    }
  }
  return until;
}

function placeKey(listener: string, endpoint: Endpoint): string {
  return `${listener} ${endpointKey(endpoint)}`;
}

function restoreClient(core: Core, record: ClientSnapshot, linked: Millis, now: Millis): Remote | undefined {
  const { table, config, blocks, registry } = core;
  const { endpoint, lastSeen: seen } = record;
  const listener = [...core.listeners].find(
    ([, local]) => endpointKey(local) === record.listener && local.family === endpoint.family,
  );
  const until = Math.max(seen + config.timeout, linked);
  if (
    listener === undefined ||
    until <= now ||
    table.find(listener[0], endpoint) !== undefined ||
    blocks.isBlocked(endpoint, now) ||
    table.clients.size >= config.maxClients
  ) {
    return core.drop('restore-failed');
  }
  const remote = new Remote(listener[0], endpoint);
  table.add(remote);
  becomeClient(core, remote, now);
  remote.client = { firstSeen: record.firstSeen, lastSeen: seen, packets: record.packets, bytes: record.bytes };
  core.statistics.clients--;
  core.deadlines.set(remote, until);
  for (const key of registry.keys) {
    if (record.keys.includes(nameOf(key.publicKey))) giveKey(remote, key);
  }
  const { proof } = record;
  const proven = registry.keys.find(({ publicKey }) => nameOf(publicKey) === proof?.key);
  if (core.proof !== undefined && proof !== undefined && proven !== undefined && proof.until > now) {
    setProof(core, remote, proven, proof.until);
  }
  // With a list of peers, whoever is not on it any more is not a client any more.
  if (registry.keys.length === 0 || remote.keys.length > 0) return remote;
  forget(core, remote);
  return core.drop('restore-failed');
}

function restoreRoute(core: Core, record: RouteSnapshot, initiator: Remote, responder: Remote): void {
  const there = new Route(initiator, record.toResponder, responder, true);
  const back = new Route(responder, record.toInitiator, initiator, false);
  there.back = back;
  back.back = there;
  for (const route of [there, back]) {
    route.stage = 'live';
    for (const key of route.to.keys) core.registry.remember(route.from.endpoint, key);
    add(core, route, record.expiresAt);
    core.table.indices.set(route.index, route);
    installFlow(core, route);
  }
}

/** Twelve bytes. */
const TIMESTAMP = (value: unknown): boolean => typeof value === 'string' && /^[A-Za-z0-9+/]{16}$/.test(value);
const TOTALS = fields({ clients: count, packets: count, bytes: count, blocked: count });
const INDEX = whole(0, 0xffffffff);
const CLIENT = fields({
  listener: text,
  endpoint: endpointShape,
  keys: list(text),
  proof: optional(fields({ key: text, until: time })),
  firstSeen: time,
  lastSeen: time,
  packets: count,
  bytes: count,
  routes: list(fields({ responder: text, toResponder: INDEX, toInitiator: INDEX, expiresAt: time })),
});
