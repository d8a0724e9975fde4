import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import { MINUTE, type Millis } from '../../net/time.ts';
import type { Core } from './core.ts';
import { unprove } from './proven.ts';
import type { RegisteredKey } from './registry.ts';
import { Remote, type Route } from './remote.ts';
import { removeRoute } from './routes.ts';

/** The remote at that endpoint; a new one is a stranger. Strangers have room for so many: one longest unheard of gives way. */
export function admit(core: Core, at: SocketId, from: Endpoint, now: Millis): Remote {
  const { table, deadlines, config } = core;
  let remote = table.find(at, from);
  if (remote?.client !== undefined) return remote;
  if (remote === undefined) {
    const leaver = table.strangers.size >= config.maxStrangers ? table.strangers.givingWayTo(from) : undefined;
    if (leaver !== undefined) forget(core, leaver);
    remote = new Remote(at, from);
    table.add(remote);
  } else {
    table.strangers.add(remote);
  }
  deadlines.set(remote, now + STRANGER_LIFETIME);
  return remote;
}

/** Both ends of a handshake that came true. False, and counted, when they find no room. */
export function becomeClients(core: Core, routes: readonly [Route, Route], now: Millis): boolean {
  const { table, config } = core;
  const fresh = routes.filter(({ from }) => from.client === undefined);
  if (table.clients.size + fresh.length > config.maxClients) {
    core.drop('too-many-clients');
    return false;
  }
  if (core.draining && !fresh.every(({ key }) => isKnown(key))) {
    core.drop('draining');
    return false;
  }
  for (const { from, key } of routes) {
    if (from.client === undefined) becomeClient(core, from, now);
    if (key !== undefined) giveKey(from, key);
  }
  return true;
}

/** Whose endpoints are there already is no newcomer, but has moved. */
export function isKnown(key: RegisteredKey | undefined): boolean {
  return key !== undefined && [...key.remotes].some(({ client }) => client !== undefined);
}

export function becomeClient(core: Core, remote: Remote, now: Millis): void {
  core.table.strangers.delete(remote);
  core.table.clients.add(remote);
  remote.client = { firstSeen: now, lastSeen: now, packets: 0, bytes: 0 };
  core.statistics.clients++;
  core.deadlines.set(remote, now + core.config.timeout);
  core.event('debug', 'wireguard-client', { client: remote.endpoint.address });
}

/** More endpoints than these claim one key only when somebody lies. */
export function giveKey(remote: Remote, key: RegisteredKey): void {
  if (remote.proof !== undefined) return;
  if (key.remotes.size >= REMOTES_OF_A_KEY || remote.keys.length >= KEYS_OF_A_REMOTE) return;
  if (!remote.keys.includes(key)) remote.keys = [...remote.keys, key];
  key.remotes.add(remote);
}

/** The remote goes, with everything that rests on it. */
export function forget(core: Core, remote: Remote): void {
  for (const route of [...remote.routes.values()]) removeRoute(core, route);
  unprove(core, remote);
  for (const key of remote.keys) key.remotes.delete(remote);
  core.deadlines.clear(remote);
  core.table.remove(remote);
  if (remote.client === undefined) return;
  core.changes.note(remote);
  core.event('debug', 'wireguard-client-ended', { client: remote.endpoint.address });
}

/** The last packet of a client, by our own hand or by a flow. */
export function lastSeen(core: Core, { client, routes }: Remote): Millis {
  let latest = client?.lastSeen ?? 0;
  for (const { flow } of routes.values()) {
    const counters = flow === undefined ? undefined : core.flows.read(flow);
    if (counters !== undefined) latest = Math.max(latest, counters.lastSeen);
  }
  return latest;
}

/** A client that lost its peer tries for 90 s, then again whenever it has something to send. */
const STRANGER_LIFETIME: Millis = 2 * MINUTE;
const REMOTES_OF_A_KEY = 8;
const KEYS_OF_A_REMOTE = 4;
