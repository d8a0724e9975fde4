import type { Endpoint } from '../../net/endpoint.ts';
import type { StreamId } from '../../net/ids.ts';
import type { StandingRefusal } from '../../net/standing.ts';
import { type ConnectResult, type StreamEnd, UNIX_ENDPOINT } from '../../net/stream-target.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { decodeProxyHeader } from '../../wire/proxy-protocol/codec.ts';
import { UNRECOGNIZED_NAME } from '../../wire/tls/alert.ts';
import { decodeClientHello } from '../../wire/tls/client-hello.ts';
import { covers } from './admission.ts';
import { chooseTarget, isElsewhere, targetOf, whyNone } from './balance.ts';
import { Connection, NOTHING } from './connection.ts';
import type { Core } from './core.ts';
import type { Forward, Listener } from './forward.ts';
import { proxyHeaderFor } from './proxy-out.ts';
import type { DropReason } from './reasons.ts';
import type { Target } from './upstreams.ts';

/** A client connected. He is told nothing when he is refused: his stream ends. */
export function openConnection(
  core: Core,
  client: StreamId,
  listener: Listener,
  from: Endpoint,
  local: Endpoint,
  now: Millis,
  refused?: StandingRefusal,
): void {
  const { forward } = listener;
  const blocked = listener.local !== UNIX_ENDPOINT && core.blocks.refuses(from, now);
  const refusal = blocked ? 'blocked' : core.draining ? 'draining' : forward.admission.enter();
  if (refusal !== undefined) {
    core.drop(refusal);
    core.orders.add({ type: 'closeStream', stream: client });
    return;
  }
  const connection = new Connection(client, listener, from, local, now);
  core.connections.add(connection);
  core.streams.set(client, connection);
  const tried = refused && targetOf(forward, refused.tag);
  if (refused !== undefined && tried !== undefined) {
    connection.tried.push(tried);
    noteRefusal(core, forward, tried, refused, now);
  }
  if (!covers(forward.rule.proxyIn, from.address)) {
    admit(core, connection, now);
    return;
  }
  connection.state = 'reading';
  core.deadlines.set(connection, now + HEADER_PATIENCE);
  core.orders.add({ type: 'read', stream: client });
}

/** What was asked for by `read`: a part of a header, or of a greeting. */
export function handleRead(core: Core, connection: Connection, chunk: Uint8Array, now: Millis): void {
  // A copy: the chunk is the engine's again when we return.
  connection.held = concat(connection.held, new Uint8Array(chunk));
  if (connection.state === 'reading') readHeader(core, connection, now);
  else if (connection.state === 'greeting') readGreeting(core, connection, now);
}

function readHeader(core: Core, connection: Connection, now: Millis): void {
  const result = decodeProxyHeader(connection.held);
  if (!result.ok) {
    if (result.reason === 'incomplete') core.orders.add({ type: 'read', stream: connection.client });
    else abandon(core, connection, result.reason);
    return;
  }
  const { addresses, tlvs } = result.header;
  connection.held = connection.held.slice(result.length);
  connection.tlvs = tlvs;
  if (addresses !== undefined) {
    connection.source = addresses.source;
    connection.destination = addresses.destination;
  }
  admit(core, connection, now);
}

/** Nothing is decrypted, and nothing is taken out: the upstream gets every byte of it. */
function readGreeting(core: Core, connection: Connection, now: Millis): void {
  const { serverNames } = connection.listener.forward.rule;
  const hello = decodeClientHello(connection.held);
  if (!hello.ok) {
    if (hello.reason === 'incomplete') core.orders.add({ type: 'read', stream: connection.client });
    else abandon(core, connection, hello.reason);
    return;
  }
  connection.route = serverNames?.route(hello.serverName);
  if (serverNames === undefined || connection.route !== undefined) {
    connectNext(core, connection, now);
    return;
  }
  core.orders.add({ type: 'write', stream: connection.client, packet: UNRECOGNIZED_NAME, droppable: false });
  abandon(core, connection, 'unknown-server-name');
}

export function handleConnected(core: Core, connection: Connection, result: ConnectResult, now: Millis): void {
  const { upstream, target, listener } = connection;
  if (connection.state !== 'connecting' || upstream === undefined || target === undefined) return;
  const { counts } = listener.forward;
  if (!result.ok) {
    noteRefusal(core, listener.forward, target, result, now);
    leaveUpstream(core, connection);
    connectNext(core, connection, now);
    return;
  }
  counts.connected += 1;
  if (target.up) target.reason = undefined;
  connection.state = 'joined';
  connection.held = NOTHING;
}

function noteRefusal(
  core: Core,
  { rule, counts }: Forward,
  target: Target,
  { failure, detail }: Omit<StandingRefusal, 'tag'>,
  now: Millis,
): void {
  counts.failed += 1;
  core.drop(`connect-${failure}`);
  core.event('debug', 'forward-connect-failed', { forward: rule.name, upstream: target.name, detail });
  // Want of descriptors of our own says nothing about the upstream.
  if (failure !== 'no-descriptors') target.suspect(`connect: ${failure} (${detail})`, now);
}

/** One of the two streams ended. Once joined, the other ends by itself and the connection with the later one. */
export function handleEnded(core: Core, connection: Connection, stream: StreamId, end: StreamEnd): void {
  const { counts } = connection.listener.forward;
  core.streams.delete(stream);
  if (stream === connection.client) counts.toUpstream += end.bytes;
  else counts.toClient += end.bytes;
  if (connection.state === 'joined') {
    if (core.streams.has(stream === connection.client ? (connection.upstream ?? stream) : connection.client)) return;
  } else if (connection.upstream !== undefined) {
    core.orders.add({ type: 'closeStream', stream: connection.upstream });
  }
  forget(core, connection);
}

/** Its header, its greeting or the addresses of a name did not come in time. */
export function handleConnectionDue(core: Core, connection: Connection): void {
  const { state } = connection;
  abandon(
    core,
    connection,
    state === 'reading' ? 'header-timeout' : state === 'greeting' ? 'hello-timeout' : 'no-upstream',
  );
}

/** Something became known of the addresses. */
export function retryWaiting(core: Core, forward: Forward, now: Millis): void {
  for (const connection of [...forward.waiting]) {
    forward.waiting.delete(connection);
    connectNext(core, connection, now);
  }
}

/** At once, however far it came. */
export function cutConnection(core: Core, connection: Connection): void {
  for (const stream of [connection.client, connection.upstream]) {
    if (stream !== undefined) core.orders.add({ type: 'closeStream', stream });
  }
  forget(core, connection);
}

function admit(core: Core, connection: Connection, now: Millis): void {
  const { source, from, listener } = connection;
  if (isElsewhere(listener.forward, from, source)) {
    abandon(core, connection, 'unusable-source');
    return;
  }
  const blocked = source !== from && core.blocks.refuses(source, now);
  const refusal = blocked ? 'blocked' : connection.listener.forward.admission.admit(source, now);
  if (refusal === 'source-rate') core.blocks.strike(source, now);
  if (refusal !== undefined) {
    abandon(core, connection, refusal);
    return;
  }
  connection.admitted = true;
  if (connection.listener.forward.rule.serverNames === undefined) {
    connectNext(core, connection, now);
    return;
  }
  connection.state = 'greeting';
  core.deadlines.set(connection, now + HEADER_PATIENCE);
  readGreeting(core, connection, now);
}

function connectNext(core: Core, connection: Connection, now: Millis): void {
  const { listener, source, tried, route } = connection;
  const { forward } = listener;
  const target = tried.length < MAX_TRIES ? chooseTarget(forward, source, tried, now, route) : undefined;
  if (target === undefined) {
    if (core.isResolving(forward)) wait(core, connection, now);
    else abandon(core, connection, whyNone(forward, source));
    return;
  }
  core.deadlines.clear(connection);
  const stream = core.ids.stream();
  connection.state = 'connecting';
  connection.upstream = stream;
  connection.target = target;
  tried.push(target);
  target.active += 1;
  core.streams.set(stream, connection);
  const { connectTimeout: timeout, keepAlive, idle, proxyOut, transparent } = forward.rule;
  const first = concat(proxyHeaderFor(proxyOut, 'stream', connection), connection.held);
  core.orders.add({
    type: 'connect',
    stream,
    to: target.place(listener.offset),
    timeout,
    join: { with: connection.client, first, idle },
    ...(keepAlive && { keepAlive }),
    ...(transparent && { from: source, transparent }),
  });
}

/** For the first answer for a name. Patience does not begin anew with every answer. */
function wait(core: Core, connection: Connection, now: Millis): void {
  const { forward } = connection.listener;
  forward.waiting.add(connection);
  if (connection.state === 'waiting') return;
  connection.state = 'waiting';
  core.deadlines.set(connection, now + forward.rule.connectTimeout);
}

function abandon(core: Core, connection: Connection, reason: DropReason): void {
  core.drop(reason);
  core.event('debug', 'forward-refused', { forward: connection.listener.forward.rule.name, reason });
  core.orders.add({ type: 'closeStream', stream: connection.client });
  forget(core, connection);
}

function forget(core: Core, connection: Connection): void {
  const { forward } = connection.listener;
  leaveUpstream(core, connection);
  core.deadlines.clear(connection);
  core.streams.delete(connection.client);
  core.connections.delete(connection);
  forward.waiting.delete(connection);
  if (connection.admitted) forward.admission.release(connection.source);
  forward.admission.leave();
}

function leaveUpstream(core: Core, connection: Connection): void {
  if (connection.upstream !== undefined) core.streams.delete(connection.upstream);
  if (connection.target !== undefined) connection.target.active -= 1;
  connection.upstream = undefined;
  connection.target = undefined;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** For a header, and again for a greeting: both come before anything else. */
const HEADER_PATIENCE: Millis = 5 * SECOND;
/** Upstreams for one client: beyond, he has given up. */
const MAX_TRIES = 8;
