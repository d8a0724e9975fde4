import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { Core } from './core.ts';
import { becomeClient, forget, giveKey, lastSeen } from './members.ts';
import { setProof } from './proven.ts';
import { nameOf } from './registry.ts';
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
  readonly routes: readonly RouteSnapshot[];
  /** Public key → timestamp of the latest initiation for this relay, both base64. */
  readonly timestamps?: Readonly<Record<string, string>>;
}

export interface ClientSnapshot {
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
}

/** Both directions of a link; `initiator` and `responder` are places in the list of clients. */
export interface RouteSnapshot {
  readonly initiator: number;
  readonly responder: number;
  /** What the initiator writes, and what the responder writes. */
  readonly toResponder: number;
  readonly toInitiator: number;
  readonly expiresAt: Millis;
}

export function takeSnapshot(core: Core): Snapshot {
  const clients = [...core.table.clients].filter(({ socket }) => core.listeners.has(socket));
  const places = new Map(clients.map((remote, place) => [remote, place]));
  const routes = clients.flatMap((remote) =>
    [...remote.routes.values()].flatMap((route) => recordRoute(route, places) ?? []),
  );
  const records = clients.flatMap((remote) => recordClient(core, remote) ?? []);
  const handshakes = core.registry.keys.filter(({ timestamp }) => timestamp.some((byte) => byte !== 0));
  const timestamps = Object.fromEntries(
    handshakes.map(({ publicKey, timestamp }) => [nameOf(publicKey), Buffer.from(timestamp).toString('base64')]),
  );
  return { version: 1, totals: core.statistics.totals(core), clients: records, routes, timestamps };
}

/** Into a service without clients whose listeners are known. What has expired, is blocked, or came by a listener that is gone is left out. */
export function restoreSnapshot(core: Core, snapshot: Snapshot, now: Millis): void {
  if (snapshot.version !== 1) throw new SnapshotError(`unknown snapshot version ${String(snapshot.version)}`);
  if (core.table.clients.size > 0) throw new SnapshotError('restore() into a service that has clients already');
  core.statistics.base = snapshot.totals;
  for (const key of core.registry.keys) {
    const timestamp = snapshot.timestamps?.[nameOf(key.publicKey)];
    if (timestamp !== undefined) key.timestamp = new Uint8Array(Buffer.from(timestamp, 'base64'));
  }
  const remotes = snapshot.clients.map((record) => restoreClient(core, record, now));
  for (const route of snapshot.routes) {
    const initiator = remotes[route.initiator];
    const responder = remotes[route.responder];
    if (initiator === undefined || responder === undefined || route.expiresAt <= now) core.drop('restore-failed');
    else if (core.proof?.required && !(initiator.proof && responder.proof)) core.drop('restore-failed');
    else restoreRoute(core, route, initiator, responder);
  }
}

/** Our mistake, not a client's: a snapshot that this version cannot read, or a restore at the wrong time. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code = 'CULVERT_WIREGUARD_SNAPSHOT';
}

function recordClient(core: Core, remote: Remote): ClientSnapshot | undefined {
  const { socket, endpoint, client, keys, routes, proof } = remote;
  const listener = core.listeners.get(socket);
  if (client === undefined || listener === undefined) return undefined;
  const counters = [...routes.values()].map(({ flow }) => flow && core.flows.read(flow));
  return {
    listener: endpointKey(listener),
    endpoint: { family: endpoint.family, address: endpoint.address, port: endpoint.port },
    keys: [...keys].map(({ publicKey }) => nameOf(publicKey)),
    ...(proof && { proof: { key: nameOf(proof.key.publicKey), until: proof.at } }),
    firstSeen: client.firstSeen,
    lastSeen: lastSeen(core, remote),
    packets: counters.reduce((sum, counter) => sum + (counter?.packets ?? 0), client.packets),
    bytes: counters.reduce((sum, counter) => sum + (counter?.bytes ?? 0), client.bytes),
  };
}

function recordRoute(route: Route, places: ReadonlyMap<Remote, number>): RouteSnapshot | undefined {
  const initiator = places.get(route.from);
  const responder = places.get(route.to);
  if (!route.ofInitiator || route.stage !== 'live' || route.back === undefined) return undefined;
  if (initiator === undefined || responder === undefined) return undefined;
  return { initiator, responder, toResponder: route.index, toInitiator: route.back.index, expiresAt: route.at };
}

function restoreClient(core: Core, record: ClientSnapshot, now: Millis): Remote | undefined {
  const { table, config, blocks, registry } = core;
  const { endpoint, lastSeen: seen } = record;
  const listener = [...core.listeners].find(([, local]) => endpointKey(local) === record.listener);
  const isExpired = seen + config.timeout <= now;
  if (
    listener === undefined ||
    isExpired ||
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
  core.deadlines.set(remote, seen + config.timeout);
  for (const key of registry.keys) {
    if (record.keys.includes(nameOf(key.publicKey))) giveKey(remote, key);
  }
  const { proof } = record;
  const proven = registry.keys.find(({ publicKey }) => nameOf(publicKey) === proof?.key);
  if (core.proof !== undefined && proof !== undefined && proven !== undefined && proof.until > now) {
    setProof(core, remote, proven, proof.until);
  }
  // With a list of peers, whoever is not on it any more is not a client any more.
  if (registry.keys.length === 0 || remote.keys.size > 0) return remote;
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
