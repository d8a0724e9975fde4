import { type Flow, KEEP, NO_DISCRIMINATOR } from '../../flow/flow.ts';
import { isWildcard } from '../../net/address.ts';
import { type Endpoint, sameEndpoint } from '../../net/endpoint.ts';
import type { FlowId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { decodeProxyHeader } from '../../wire/proxy-protocol/codec.ts';
import type { ProxyHeader } from '../../wire/proxy-protocol/header.ts';
import { covers } from './admission.ts';
import { chooseTarget, isElsewhere, whyNone } from './balance.ts';
import type { Core } from './core.ts';
import type { Forward, Listener } from './forward.ts';
import { anyAddress } from './health.ts';
import { proxyHeaderFor } from './proxy-out.ts';
import { Session } from './session.ts';
import type { Target } from './upstreams.ts';

/** A datagram that no flow took: of a client who is new, or whose flow was idle. */
export function handleFromClient(
  core: Core,
  listener: Listener,
  from: Endpoint,
  packet: Uint8Array,
  now: Millis,
): undefined {
  const session = core.sessionsAt(listener.socket).get(from.address, from.port);
  if (session === undefined) return openSession(core, listener, from, packet, now);
  if (session.local === undefined) return enqueue(core, session, packet);
  sendUp(core, session, packet, now);
  installToUpstream(core, session);
}

/** The first reply, or one after a long silence; nobody else is listened to. */
export function handleFromUpstream(core: Core, session: Session, from: Endpoint, packet: Uint8Array): undefined {
  if (!sameEndpoint(from, session.upstream)) return core.drop('foreign-reply');
  core.relayed.add('to_client', packet.length);
  session.usage.noteReceived(packet.length);
  core.orders.add({ type: 'send', from: session.listener.socket, to: session.client, packet });
  if (session.toClient === undefined) installToClient(core, session);
  if (session.answered) return;
  session.answered = true;
  installToUpstream(core, session, true);
}

export function handleSessionPort(core: Core, session: Session, result: OpenResult, now: Millis): void {
  const { kept } = session;
  if (!result.ok) {
    core.drop(kept > 0 ? 'restore-failed' : 'port-not-opened');
    reportFailure(core, result, now);
    endSession(core, session, 'port-failed');
    return;
  }
  if (kept > 0 && result.local.port !== kept) {
    core.drop('restore-failed');
    endSession(core, session);
    return;
  }
  session.local = result.local;
  for (const packet of takeQueue(core, session)) sendUp(core, session, packet, now);
  installToUpstream(core, session);
  if (session.answered && session.toClient === undefined) installToClient(core, session);
}

/** Now and then: datagrams that come while descriptors are used up must not fill the log. Each is counted. */
function reportFailure(core: Core, { failure, detail }: Extract<OpenResult, { ok: false }>, now: Millis): void {
  if (Math.abs(now - core.portFailureToldAt) < REPORT_INTERVAL) return;
  core.portFailureToldAt = now;
  core.event('warn', 'forward-port-not-opened', { failure, detail });
}

/** One way was silent for as long as it may be. The other may be busy: then the session stays. */
export function handleSessionIdle(core: Core, session: Session, flow: FlowId): void {
  forgetFlow(core, session, flow);
  if (session.toUpstream === undefined && session.toClient === undefined) endSession(core, session);
}

/** Flows first, then the port that they use. */
function endSession(core: Core, session: Session, port: 'open' | 'port-failed' = 'open'): void {
  const { listener, client, socket, target } = session;
  for (const flow of [session.toUpstream, session.toClient]) {
    if (flow === undefined) continue;
    core.flows.delete(flow);
    core.orders.add({ type: 'removeFlow', flow });
  }
  takeQueue(core, session);
  core.ports.delete(socket);
  core.changes.note(session);
  if (port === 'open') core.orders.add({ type: 'closePort', socket });
  core.sessionsAt(listener.socket).delete(client.address, client.port);
  listener.forward.sessions.delete(session);
  target.active -= 1;
  listener.forward.admission.release(session.source);
  listener.forward.admission.leave();
}

export function endSessionsOf(core: Core, target: Target): void {
  endSessions(core, target.upstream.forward, (session) => session.target === target);
}

export function endSessions(core: Core, forward: Forward, concerns: (session: Session) => boolean): void {
  for (const session of [...forward.sessions]) if (concerns(session)) endSession(core, session);
}

function openSession(core: Core, listener: Listener, from: Endpoint, packet: Uint8Array, now: Millis): undefined {
  const { forward } = listener;
  if (core.draining) return core.drop('draining');
  if (core.waiting + packet.length > MAX_WAITING) return core.drop('too-many-waiting');
  if (from.port === 0) return core.drop('source-port-zero');
  const opened = openDatagram(core, forward, from, packet);
  if (opened === undefined) return undefined;
  const source = opened.header?.addresses?.source ?? from;
  const destination = opened.header?.addresses?.destination ?? askedBy(core, listener, from);
  if (isElsewhere(forward, from, source)) return core.drop('unusable-source');
  const refusal = forward.admission.enter();
  if (refusal !== undefined) return core.drop(refusal);
  const blocked = source !== from && core.blocks.refuses(source, now);
  const denial = blocked ? 'blocked' : forward.admission.admit(source, now);
  if (denial === 'source-rate') core.blocks.strike(source, now);
  const target = denial === undefined ? chooseTarget(forward, source, [], now) : undefined;
  if (target === undefined) {
    if (denial === undefined) forward.admission.release(source);
    forward.admission.leave();
    return core.drop(denial ?? whyNone(forward, source));
  }
  const session = new Session(listener, from, source, target, core.ids.socket(), now);
  begin(core, session);
  const sender = { source, destination, tlvs: opened.header?.tlvs ?? [] };
  hold(core, session, concat(proxyHeaderFor(forward.rule.proxyOut, 'dgram', sender), opened.payload));
}

/** For a header: an upstream can do nothing with "all addresses". */
function askedBy(core: Core, { socket, local, forward }: Listener, client: Endpoint): Endpoint {
  if (forward.rule.proxyOut === 'off' || !isWildcard(local.address)) return local;
  return { ...local, address: core.carried.askedAddress?.(socket, client) ?? local.address };
}

/** Who is there by now has had his place in the admission. */
export function begin(core: Core, session: Session): void {
  const { listener, client, source, target, socket, upstream, kept } = session;
  target.active += 1;
  listener.forward.sessions.add(session);
  core.sessionsAt(listener.socket).set(client.address, client.port, session);
  core.ports.set(socket, session);
  const { transparent } = listener.forward.rule;
  const local = transparent ? { ...source, port: kept || source.port } : { ...anyAddress(upstream), port: kept };
  core.orders.add({ type: 'openPort', socket, local, ...(transparent && { towards: upstream }) });
}

/** What a session's first datagram holds; undefined when it lacks a header that must be there. */
function openDatagram(
  core: Core,
  { rule }: Forward,
  from: Endpoint,
  packet: Uint8Array,
): { header: ProxyHeader | undefined; payload: Uint8Array } | undefined {
  if (!covers(rule.proxyIn, from.address)) return { header: undefined, payload: packet };
  const result = decodeProxyHeader(packet);
  if (result.ok) return { header: result.header, payload: packet.subarray(result.length) };
  return core.drop(result.reason === 'incomplete' ? 'malformed-proxy-header' : result.reason);
}

function enqueue(core: Core, session: Session, packet: Uint8Array): undefined {
  const full = session.queue.length >= MAX_QUEUE || core.waiting + packet.length > MAX_WAITING;
  if (full) return core.drop('too-many-waiting');
  hold(core, session, new Uint8Array(packet));
}

function hold(core: Core, session: Session, packet: Uint8Array): void {
  core.waiting += packet.length;
  session.queue.push(packet);
}

function takeQueue(core: Core, session: Session): Uint8Array[] {
  const queue = session.queue.splice(0);
  for (const { length } of queue) core.waiting -= length;
  return queue;
}

function sendUp(core: Core, session: Session, packet: Uint8Array, now: Millis): void {
  core.relayed.add('to_peer', packet.length);
  session.usage.noteSent(packet.length);
  session.usage.lastSeen = now;
  core.orders.add({ type: 'send', from: session.socket, to: session.upstream, packet });
}

/** `renew`: with the patience of a session that was answered, in the place of the first. */
function installToUpstream(core: Core, session: Session, renew = false): void {
  const { listener, client, local, upstream, answered } = session;
  if (local === undefined || (session.toUpstream !== undefined && !renew)) return;
  const { idle } = listener.forward.rule;
  core.changes.note(session);
  if (session.toUpstream !== undefined) forgetFlow(core, session, session.toUpstream);
  session.toUpstream = addFlow(core, session, {
    direction: 'to_peer',
    match: { socket: listener.socket, local: listener.local, remote: client, discriminator: NO_DISCRIMINATOR },
    rewrite: { socket: session.socket, local, remote: upstream, encapsulation: KEEP },
    idle: answered ? idle : Math.min(idle, UNANSWERED),
  });
}

/** Of a flow that is gone, or that another one replaces: what it carried stays. */
function forgetFlow(core: Core, session: Session, flow: FlowId): void {
  core.flows.delete(flow);
  const counters = core.carried.flows.read(flow);
  if (session.toUpstream === flow) {
    session.toUpstream = undefined;
    if (counters !== undefined) session.usage.keepSent(counters);
  }
  if (session.toClient === flow) {
    session.toClient = undefined;
    if (counters !== undefined) session.usage.keepReceived(counters);
  }
}

function installToClient(core: Core, session: Session): void {
  const { listener, client, local, upstream } = session;
  if (local === undefined) return;
  session.toClient = addFlow(core, session, {
    direction: 'to_client',
    match: { socket: session.socket, local, remote: upstream, discriminator: NO_DISCRIMINATOR },
    rewrite: { socket: listener.socket, local: listener.local, remote: client, encapsulation: KEEP },
    idle: listener.forward.rule.idle,
  });
}

function addFlow(core: Core, session: Session, way: Omit<Flow, 'id' | 'service'>): FlowId {
  const id = core.ids.flow();
  core.flows.set(id, session);
  core.orders.add({ type: 'addFlow', flow: { id, service: 'forward', ...way } });
  return id;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** As connection tracking does it: a source that nobody answers is probably not there. */
const UNANSWERED: Millis = 30 * SECOND;
const REPORT_INTERVAL: Millis = 10 * SECOND;
/** Datagrams of one session that wait for its port: many begin with a burst, and the first port may have to wait for a worker. */
const MAX_QUEUE = 1024;
/** Bytes, of all sessions. */
const MAX_WAITING = 8 * 1024 * 1024;
