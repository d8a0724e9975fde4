import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCommand } from '../lib/arena.ts';
import { type Child, run, start } from '../lib/child.ts';
import { compileFrames, type FramesPrograms } from '../lib/compile.ts';
import { type Identity, PEER_PORT, whereTo } from '../lib/load.ts';
import { type Relay, whenReady } from '../lib/relay.ts';
import { FIRST, type Place, prepare } from './place.ts';

/** A relay in a place of its own. */
export interface PlacedRelay extends Relay {
  readonly place: Place;
  readonly identity?: Identity;
  /** What is sent and what should come out, where no session has to be opened for it; see bench/frames/flows.c. */
  readonly flows?: (count: number, direction: FrameCell['direction']) => string[];
  /** How it delivers most: a process when it is offered no more than it can do, the kernel when it always has work. */
  readonly best: 'window' | 'flood';
  /** Frames are looked for where they come in. */
  readonly sinkAtRelay?: boolean;
}

export interface FrameCell {
  readonly direction: 'up' | 'down';
  readonly flows: number;
  /** Payload bytes behind the framing. */
  readonly size: number;
  readonly mode: 'best' | 'flood' | { readonly rate: number };
  /** So many frames of a flow come one behind the other; default 1. */
  readonly train?: number;
  /** Ends after so many frames. */
  readonly count?: number;
}

export interface FrameSample {
  readonly seconds: number;
  readonly sent: number;
  readonly delivered: number;
  /** Frames under way at most; 0 = as many as go. */
  readonly window: number;
  /** Came out otherwise than they should. */
  readonly alien: number;
  /** Frames of which every byte was compared, and those that were wrong. */
  readonly samples: number;
  readonly altered: number;
  /** utime + stime of the relay's process, seconds. */
  readonly relayCpu: number;
  /** All that its core did: the process, the kernel for it, and the sink. */
  readonly coreBusy: number;
  /** With a rate: microseconds from leaving the load to arriving at its sink. */
  readonly trips?: number;
  readonly p50?: number;
  readonly p99?: number;
}

/**
 * Frames under way. Less than the 256 that a veth's queue takes; but a socket's default buffer takes no more than some 50 of them, because each
 * lies in a page of its own, and more is better for who works in batches: so everybody has the one that suits him.
 */
const WINDOWS: readonly number[] = [16, 32, 64, 128, 192];
const TRY_SECONDS = 0.1;
const WARM_UP_SECONDS = 0.15;
const BATCH = 64;
const MAX_SECONDS = 60;
/** A thousand handshakes one after the other, on a busy machine. */
const OPEN_MS = 60_000;

let programs: Promise<FramesPrograms> | undefined;

export function framesPrograms(): Promise<FramesPrograms> {
  programs ??= compileFrames();
  return programs;
}

/** Opens the flows through the relay, then has the kernel send frames of them. Throws when what comes out is not what should. */
export async function loadFrames(relay: PlacedRelay, cell: FrameCell, seconds: number): Promise<FrameSample> {
  const { place } = relay;
  const file = await openFlows(relay, cell);
  try {
    const windowed = cell.mode === 'best' && relay.best === 'window';
    // With threads a process shares its core with them, and yields to them after every few packets: it does best without.
    await prepare(place, typeof cell.mode === 'string' && !windowed);
    const window = windowed ? await bestWindow(relay, cell, file) : 0;
    return await send(relay, cell, file, { seconds, window, warmUp: cell.count === undefined ? WARM_UP_SECONDS : 0 });
  } catch (error) {
    // The next round begins with new ones.
    await closeFlows(place);
    throw error;
  }
}

/** What flows a relay has: opened by its first measurement of a kind, kept over the rounds. */
export async function closeFlows(place: Place): Promise<void> {
  const held = opened.get(place);
  opened.delete(place);
  await held?.holder?.stop();
}

interface Held {
  readonly key: string;
  readonly file: string;
  readonly holder: Child | undefined;
}

const opened = new WeakMap<Place, Held>();
const windows = new WeakMap<Place, Map<string, number>>();

/** Found once for each relay and cell: in its first round. */
async function bestWindow(relay: PlacedRelay, cell: FrameCell, file: string): Promise<number> {
  const found = windows.get(relay.place) ?? new Map<string, number>();
  windows.set(relay.place, found);
  const key = JSON.stringify(cell);
  const known = found.get(key);
  if (known !== undefined) return known;
  let [best, most] = [0, 0];
  for (const window of WINDOWS) {
    const { delivered, seconds } = await send(relay, cell, file, { seconds: TRY_SECONDS, window, warmUp: TRY_SECONDS });
    if (delivered / seconds > most) [best, most] = [window, delivered / seconds];
  }
  found.set(key, best);
  return best;
}

async function send(
  relay: PlacedRelay,
  cell: FrameCell,
  file: string,
  { seconds, window, warmUp }: { seconds: number; window: number; warmUp: number },
): Promise<FrameSample> {
  const { place, pid } = relay;
  const rate = typeof cell.mode === 'object' ? cell.mode.rate : 0;
  const [into, outOf] = cell.direction === 'up' ? (['vc', 'vp'] as const) : (['vp', 'vc'] as const);
  const { program, frames } = await framesPrograms();
  const options = {
    object: frames,
    flows: file,
    in: into,
    'in-space': spacePath(place.spaces.load),
    out: relay.sinkAtRelay ? into : outOf,
    'out-space': spacePath(relay.sinkAtRelay ? place.spaces.relay : place.spaces.load),
    gateway: place.macs.relay[into],
    size: cell.size,
    train: cell.train ?? 1,
    window,
    rate,
    // Frames that wait for others to leave with them would be late.
    batch: rate > 0 ? 1 : BATCH,
    count: cell.count ?? 0,
    pid,
    core: place.arena.relayCore,
    seconds,
    'warm-up': warmUp,
  };
  const command = [program, 'run', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
  const pinned = [...FIRST, 'taskset', '-c', String(place.arena.loadCore), ...command];
  const sample = JSON.parse(await run(pinned, (MAX_SECONDS + 20) * 1000, 'frames')) as Omit<FrameSample, 'window'>;
  return { ...checked(sample), window };
}

/** The bare rewrite, attached in the relay's namespace. */
export async function startLimit(
  place: Place,
  from: string,
  to: string,
  outFrom: string,
  outTo: string,
): Promise<Child> {
  const { program, limit } = await framesPrograms();
  const where = ['--from', from, '--to', to, '--out-from', outFrom, '--out-to', outTo];
  const devices = ['--in', 'vc', '--out', 'vp', '--gateway', place.macs.load.vp];
  const child = start(place.arena.topology.relaySide([program, 'limit', '--object', limit, ...devices, ...where]));
  await whenReady('limit', child, child.says('ready'));
  return child;
}

/** Gives the file that says what to send. */
async function openFlows(relay: PlacedRelay, cell: FrameCell): Promise<string> {
  const { place } = relay;
  const key = JSON.stringify([cell.flows, cell.size, cell.direction]);
  const held = opened.get(place);
  if (held?.key === key) return held.file;
  await closeFlows(place);
  const file = join(mkdtempSync(join(place.arena.scratch, 'flows-')), 'flows');
  opened.set(place, { key, file, holder: await holdFlows(relay, cell, file) });
  return file;
}

async function holdFlows(relay: PlacedRelay, cell: FrameCell, file: string): Promise<Child | undefined> {
  if (relay.flows !== undefined) {
    writeFileSync(file, `${relay.flows(cell.flows, cell.direction).join('\n')}\n`);
    return undefined;
  }
  const options = ['--flows', String(cell.flows), '--size', String(cell.size), '--file', file];
  const child = start(openCommand(relay, [...options, ...(cell.direction === 'down' ? ['--down'] : [])]));
  await whenReady('load', child, child.says('open'), OPEN_MS);
  return child;
}

/** The second client of a pair is where peers are: so that what comes out does not leave by the device that it came in by. */
function openCommand({ place, ...relay }: PlacedRelay, options: readonly string[]): string[] {
  const { arena } = place;
  const isClientToo = relay.protocol === 'pair' || relay.protocol === 'wireguard';
  const peer = isClientToo ? ['--peer', `${arena.topology.peer}:${PEER_PORT}`] : [];
  return loadCommand(arena, 'open', [...whereTo(arena, relay, relay.identity ?? {}), ...peer, ...options]);
}

function checked<Sample extends Omit<FrameSample, 'window'>>(sample: Sample): Sample {
  if (sample.alien > 0) throw new Error(`${sample.alien} frames came out otherwise than they should`);
  if (sample.delivered === 0) throw new Error('nothing was delivered');
  if (sample.altered > 0)
    throw new Error(`${sample.altered} of ${sample.samples} frames that were compared came out altered`);
  if (sample.samples === 0) throw new Error('no frame was compared');
  return sample;
}

function spacePath(name: string): string {
  return `/run/netns/${name}`;
}
