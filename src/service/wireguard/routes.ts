import { type Flow, KEEP } from '../../flow/flow.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { rateLimit } from '../rates.ts';
import type { Core } from './core.ts';
import { becomeClients } from './members.ts';
import type { RegisteredKey } from './registry.ts';
import { type Remote, Route } from './remote.ts';

/** An initiation is passed to `target`, which may answer it. False when the index means something else there. */
export function offer(
  core: Core,
  target: Remote,
  index: number,
  initiator: Remote,
  key: RegisteredKey | undefined,
  now: Millis,
): boolean {
  const existing = target.routes.get(index);
  if (existing !== undefined) {
    // A replayed or duplicated initiation: the answer may come again.
    if (existing.to === initiator) return true;
    core.drop('index-conflict');
    return false;
  }
  if (!hasRoom(target)) {
    core.drop('too-many-routes');
    return false;
  }
  const route = new Route(target, index, initiator, false);
  route.key = key;
  add(core, route, now + OFFER_LIFETIME);
  return true;
}

/** The response that `offered` waited for has come: its sender index is how the initiator will speak from now on. */
export function answer(
  core: Core,
  offered: Route,
  index: number,
  key: RegisteredKey | undefined,
  now: Millis,
): boolean {
  const { from: responder, to: initiator } = offered;
  if (initiator.routes.has(index)) {
    core.drop('index-conflict');
    return false;
  }
  if (!hasRoom(initiator)) {
    core.drop('too-many-routes');
    return false;
  }
  const route = new Route(initiator, index, responder, true);
  route.key = key;
  route.stage = offered.stage = 'answered';
  route.back = offered;
  offered.back = route;
  add(core, route, now + ROUTE_LIFETIME);
  core.deadlines.set(offered, now + ROUTE_LIFETIME);
  return true;
}

/** The initiator used the index of the response: both ends are there, and packets may go both ways. False when there is no room. */
export function confirm(core: Core, route: Route, back: Route, now: Millis): boolean {
  if (!becomeClients(core, [route, back], now)) return false;
  for (const one of [route, back]) {
    one.stage = 'live';
    core.table.indices.set(one.index, one);
    // Whoever looks for somebody else too says so with its next try.
    core.table.seekers.delete(one.from);
    installFlow(core, one);
    core.changes.note(one.from);
  }
  return true;
}

/** A route and its way back end together: one without the other serves nobody. */
export function removeRoute(core: Core, route: Route): void {
  const { back } = route;
  remove(core, route);
  if (back !== undefined) remove(core, back);
}

/** What flows carried is known to the engine only; a restored route has its flow again. */
export function installFlow(core: Core, route: Route): void {
  const { from, to } = route;
  const matchLocal = core.listeners.get(from.socket);
  const rewriteLocal = core.listeners.get(to.socket);
  if (matchLocal === undefined || rewriteLocal === undefined) return;
  const limit = rateLimit(core, from, 'to_peer');
  const flow: Flow = {
    id: core.ids.flow(),
    service: 'wireguard',
    // Every end is a client: as in a TURN hairpin, all of it goes from a client to its peer.
    direction: 'to_peer',
    match: {
      socket: from.socket,
      local: matchLocal,
      remote: from.endpoint,
      discriminator: { kind: 'receiver', index: route.index },
    },
    rewrite: { socket: to.socket, local: rewriteLocal, remote: to.endpoint, encapsulation: KEEP },
    // The service owns every lifetime: no key pair lives longer than its route.
    idle: 0,
    ...(limit && { limit }),
  };
  route.flow = flow.id;
  core.orders.add({ type: 'addFlow', flow });
}

/** A flow's limit is part of it: those that are there get the quota that holds now. */
export function renewFlows(core: Core): void {
  for (const { routes } of core.table.clients) {
    for (const route of routes.values()) {
      if (route.flow === undefined) continue;
      removeFlow(core, route);
      installFlow(core, route);
    }
  }
}

/** Puts an existing route (of a snapshot) into every index. */
export function add(core: Core, route: Route, expiresAt: Millis): void {
  core.table.addRoute(route);
  core.deadlines.set(route, expiresAt);
}

function remove(core: Core, route: Route): void {
  core.deadlines.clear(route);
  core.table.removeRoute(route);
  if (route.stage === 'live') core.changes.note(route.from);
  removeFlow(core, route);
}

/** What it carried stays with the two. */
function removeFlow(core: Core, route: Route): void {
  if (route.flow === undefined) return;
  const { client } = route.from;
  const counters = core.flows.read(route.flow);
  if (counters !== undefined) route.to.received.keepReceived(counters);
  if (client !== undefined && counters !== undefined) {
    client.packets += counters.packets;
    client.bytes += counters.bytes;
    client.lastSeen = Math.max(client.lastSeen, counters.lastSeen);
  }
  core.orders.add({ type: 'removeFlow', flow: route.flow });
  route.flow = undefined;
}

function hasRoom({ client, routes }: Remote): boolean {
  return routes.size < (client === undefined ? STRANGER_ROUTES : CLIENT_ROUTES);
}

/** An initiator tries anew, with another index, after 5 s (and up to a third more). */
const OFFER_LIFETIME: Millis = 10 * SECOND;
/** A key pair is rejected 180 s after its handshake; clocks and networks get some grace. */
const ROUTE_LIFETIME: Millis = 200 * SECOND;
/** Three key pairs of 1,000 links, and what may be offered in 10 s. */
const CLIENT_ROUTES = 4096;
const STRANGER_ROUTES = 64;
