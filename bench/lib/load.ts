import { type Arena, loadCommand, runLoad } from './arena.ts';
import { type Child, start } from './child.ts';
import { type Relay, whenReady } from './relay.ts';

export interface DataCell {
  readonly direction: 'up' | 'down';
  readonly flows: number;
  /** Payload bytes; of TURN and WireGuard those behind their headers. */
  readonly size: number;
  /** window: the relay always has work and nothing is lost. flood: it is offered more than it can do. */
  readonly mode: 'window' | 'flood';
}

export interface DataSample {
  readonly seconds: number;
  readonly sent: number;
  readonly delivered: number;
  /** Not what was sent, or at a place that it was not for. */
  readonly alien: number;
  readonly lost: number;
  /** utime + stime of the relay and its children, seconds. */
  readonly relayCpu: number;
  /** Share of the time that the load had nothing to do. */
  readonly loadIdle: number;
}

export interface TripSample {
  readonly trips: number;
  readonly lost: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Packets that arrived where they were meant to, and elsewhere. */
export interface SpreadSample {
  readonly sent: number;
  readonly right: number;
  readonly wrong: number;
}

export interface MeetSample {
  readonly seconds: number;
  readonly met: number;
  readonly relayCpu: number;
}

export interface StreamSample {
  readonly seconds: number;
  readonly bytes: number;
  readonly altered: number;
  readonly relayCpu: number;
  readonly loadCpu: number;
  readonly loadIdle: number;
}

export interface ConnectSample {
  readonly seconds: number;
  readonly connections: number;
  readonly failed: number;
  readonly relayCpu: number;
  readonly loadCpu: number;
}

/** 16 bytes in hexadecimal: TURN's long-term key, or the secret of pairs. */
export type LoadKey = string;

/** Who the load is to the relay, where that matters. */
export interface Identity {
  readonly user?: string;
  readonly realm?: string;
  readonly key?: LoadKey;
}

export const PEER_PORT = 7000;
/** Of clients that a forwarder without a protocol knows by their port. */
export const FIXED_CLIENT_PORT = 9000;
/** Enough for every relay's queue to hold work all the time, little enough for the default receive buffer. */
const WINDOW = 128;
export const WARM_UP_SECONDS = 0.25;

/** Saturates one direction. */
export async function loadData(
  arena: Arena,
  relay: Relay,
  { direction, flows, size, mode }: DataCell,
  seconds: number,
  identity: Identity = {},
): Promise<DataSample> {
  const sample = await runLoad<DataSample>(
    arena,
    'data',
    [
      ...whereTo(arena, relay, identity),
      ...['--flows', String(flows), '--size', String(size), '--window', String(mode === 'window' ? WINDOW : 0)],
      ...(direction === 'down' ? ['--down'] : []),
      ...howLong(seconds),
    ],
    seconds,
  );
  if (sample.delivered === 0) throw new Error('nothing was delivered');
  return sample;
}

/** A relay that changes packets, or brings them to others, must not have its figures stand beside those of relays. */
export function mustBeExact(sample: DataSample): DataSample {
  if (sample.alien > 0) throw new Error(`${sample.alien} packets arrived altered or at others`);
  return sample;
}

/** Round trips of UDP payloads, `rate` a second. */
export async function loadRtt(
  arena: Arena,
  relay: Relay,
  rate: number,
  seconds: number,
  identity: Identity = {},
): Promise<TripSample> {
  const options = [...whereTo(arena, relay, identity), '--rate', String(rate), ...howLong(seconds)];
  return await runLoad<TripSample>(arena, 'rtt', options, seconds);
}

/** Where 200 packets of `flows` pairs of clients end up. */
export async function loadSpread(arena: Arena, relay: Relay, flows: number): Promise<SpreadSample> {
  return await runLoad<SpreadSample>(
    arena,
    'spread',
    [...whereTo(arena, relay, {}), '--flows', String(flows), '--size', '160'],
    30,
  );
}

/** New sessions that stay: `count` of them, or with 0 as many as come about in the time; `parallel` of them are under way. */
export async function loadMeet(
  arena: Arena,
  relay: Relay,
  count: number,
  seconds: number,
  identity: Identity = {},
  parallel = 64,
): Promise<MeetSample> {
  const options = ['--count', String(count), '--parallel', String(parallel), '--seconds', String(seconds)];
  return await runLoad<MeetSample>(
    arena,
    'meet',
    [...whereTo(arena, relay, identity), ...options],
    count === 0 ? seconds : 200,
  );
}

/** TCP bytes from client to upstream over so many connections. */
export async function loadStream(arena: Arena, relay: Relay, streams: number, seconds: number): Promise<StreamSample> {
  const options = [...whereTo(arena, relay, {}), '--flows', String(streams), ...howLong(seconds)];
  const sample = await runLoad<StreamSample>(arena, 'stream', options, seconds);
  if (sample.bytes === 0) throw new Error('nothing was delivered');
  if (sample.altered > 0) throw new Error(`${sample.altered} bytes arrived altered`);
  return sample;
}

/** TCP: connect, request, reply, close, 64 at a time. */
export async function loadConnect(arena: Arena, relay: Relay, seconds: number): Promise<ConnectSample> {
  const options = [...whereTo(arena, relay, {}), '--parallel', '64', ...howLong(seconds)];
  const sample = await runLoad<ConnectSample>(arena, 'connect', options, seconds);
  if (sample.connections === 0) throw new Error('no connection came about');
  if (sample.failed > 0) throw new Error(`${sample.failed} connections failed`);
  return sample;
}

/** Small requests and replies on one TCP connection. */
export async function loadTrip(arena: Arena, relay: Relay, rate: number, seconds: number): Promise<TripSample> {
  const options = [...whereTo(arena, relay, {}), '--rate', String(rate), ...howLong(seconds)];
  return await runLoad<TripSample>(arena, 'trip', options, seconds);
}

/** Opens so many TCP connections; they stay until the result is stopped. */
export async function holdConnections(arena: Arena, relay: Relay, count: number): Promise<Child> {
  const child = start(loadCommand(arena, 'idle', [...whereTo(arena, relay, {}), '--count', String(count)]));
  await whenReady('load', child, child.says('held'));
  return child;
}

/** Waits until the relay answers a Binding request (TURN), or takes a TCP connection. */
export async function awaitReady(arena: Arena, relay: Relay, seconds: number, identity: Identity = {}): Promise<void> {
  await runLoad(arena, 'ready', [...whereTo(arena, relay, identity), '--seconds', String(seconds)], seconds);
}

let serial = 0;

/**
 * A new client address each time: a 5-tuple that was just used is not free at once everywhere. Clients that are known by their port are the
 * exception, and WireGuard's, which are not known by their address.
 */
export function whereTo({ topology }: Arena, relay: Relay, { user, realm, key }: Identity): string[] {
  const { protocol, front, back, pid } = relay;
  const fixed = protocol === 'ports' || protocol === 'self' || protocol === 'wireguard';
  const [client, other] = fixed ? [0, 1] : [++serial, ++serial];
  const isClientToo = protocol === 'pair' || protocol === 'wireguard';
  const peer = isClientToo ? `${topology.client(other)}:10000` : `${topology.peer}:${PEER_PORT}`;
  return [
    ...['--protocol', protocol, '--relay', front, '--peer', peer, '--pid', String(pid)],
    ...['--client', `${topology.client(client)}:${protocol === 'ports' ? FIXED_CLIENT_PORT : 10_000}`],
    ...(back === undefined ? [] : ['--back', back]),
    ...(user === undefined ? [] : ['--user', user]),
    ...(realm === undefined ? [] : ['--realm', realm]),
    ...(key === undefined ? [] : ['--key', key]),
  ];
}

function howLong(seconds: number): string[] {
  return ['--seconds', String(seconds), '--warm-up', String(WARM_UP_SECONDS)];
}
