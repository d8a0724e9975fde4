import { run } from '../lib/child.ts';
import { type Arena, BARE_CLIENT_PORT, type Contestant, KEY_HEX, PEER_PORT, REALM, USER } from './contestant.ts';

export interface DataCell {
  readonly direction: 'up' | 'down';
  readonly flows: number;
  /** Payload bytes. */
  readonly size: number;
  /** window: the relay always has work and nothing is lost. flood: it is offered more than it can do. */
  readonly mode: 'window' | 'flood';
}

export interface DataSample {
  readonly seconds: number;
  readonly sent: number;
  readonly delivered: number;
  readonly alien: number;
  readonly lost: number;
  /** utime + stime of the relay, seconds. */
  readonly relayCpu: number;
  /** Share of the time that the load had nothing to do. */
  readonly loadIdle: number;
}

export interface RttSample {
  readonly trips: number;
  readonly lost: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ChurnSample {
  readonly seconds: number;
  readonly cycles: number;
  readonly failed: number;
  readonly fault: string;
  readonly retransmissions: number;
  readonly relayCpu: number;
  readonly loadCpu: number;
}

export interface HoldSample {
  readonly held: number;
  readonly failed: number;
  readonly fault: string;
  readonly retransmissions: number;
  readonly relayCpu: number;
}

/** Enough for every relay's queue to hold work all the time, little enough for the default receive buffer. */
const WINDOW = 128;
const WARM_UP_SECONDS = 0.3;

/** Saturates one direction. Without a contestant: the load alone, its two sides connected to each other. */
export async function loadData(
  arena: Arena,
  contestant: Contestant | undefined,
  cell: DataCell,
  seconds: number,
): Promise<DataSample> {
  const options = [
    ...target(arena, contestant),
    ...['--flows', String(cell.flows), '--size', String(cell.size), '--seconds', String(seconds)],
    ...['--warm-up', String(WARM_UP_SECONDS), '--window', String(cell.mode === 'window' ? WINDOW : 0)],
    ...(cell.direction === 'down' ? ['--down'] : []),
  ];
  const sample = await load<DataSample>(arena, 'data', options, seconds);
  if (sample.delivered === 0) throw new Error('nothing was delivered');
  if (sample.alien > 0) throw new Error(`${sample.alien} packets arrived altered`);
  return sample;
}

export async function loadRtt(arena: Arena, contestant: Contestant, rate: number, seconds: number): Promise<RttSample> {
  const options = ['--rate', String(rate), '--seconds', String(seconds), '--warm-up', String(WARM_UP_SECONDS)];
  return await load<RttSample>(arena, 'rtt', [...target(arena, contestant), ...options], seconds);
}

/** Allocate, 401, Allocate, ChannelBind, Refresh 0, over and over, by 200 clients at a time. */
export async function loadChurn(arena: Arena, contestant: Contestant, seconds: number): Promise<ChurnSample> {
  const options = ['--parallel', '200', '--seconds', String(seconds), '--warm-up', String(WARM_UP_SECONDS)];
  const sample = await load<ChurnSample>(arena, 'churn', [...target(arena, contestant), ...options], seconds);
  if (sample.cycles === 0 || sample.failed > 0) throw new Error(`${sample.failed} cycles failed: ${sample.fault}`);
  return sample;
}

/** Makes allocations with one channel each and leaves them. */
export async function loadHold(arena: Arena, contestant: Contestant, count: number): Promise<HoldSample> {
  const options = ['--parallel', '100', '--count', String(count)];
  return await load<HoldSample>(arena, 'hold', [...target(arena, contestant), ...options], 60);
}

/** Waits until a Binding request is answered. */
export async function awaitReady(arena: Arena, contestant: Contestant, seconds: number): Promise<void> {
  await load(arena, 'ready', [...target(arena, contestant), '--seconds', String(seconds)], seconds);
}

let serial = 0;

function target(arena: Arena, contestant: Contestant | undefined): string[] {
  const { topology } = arena;
  const peer = ['--peer', `${topology.peer}:${PEER_PORT}`];
  if (contestant?.protocol !== 'turn') {
    const client = ['--client', `${topology.client(0)}:${BARE_CLIENT_PORT}`];
    if (contestant === undefined) return [...peer, ...client];
    const { back = '', front, child } = contestant;
    return [...peer, ...client, '--relay', front, '--back', back, '--pid', String(child.pid)];
  }
  return [
    ...peer,
    // A new address each time: a 5-tuple that was just released is not free at once everywhere (coturn answers 437).
    ...['--client', `${topology.client(++serial)}:10000`],
    ...['--relay', contestant.front, '--pid', String(contestant.child.pid)],
    ...['--user', USER, '--realm', REALM, '--key', KEY_HEX],
  ];
}

async function load<Sample>(arena: Arena, command: string, options: string[], seconds: number): Promise<Sample> {
  const raised = ['sh', '-c', 'ulimit -n 16384 2>/dev/null; exec "$@"', 'sh'];
  const pinned = ['taskset', '-c', String(arena.loadCore), ...raised, arena.load, command, ...options];
  const text = await run(arena.topology.loadSide(pinned), (seconds + 20) * 1000);
  return JSON.parse(text) as Sample;
}
