import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCommand } from '../lib/arena.ts';
import { type Child, run, start } from '../lib/child.ts';
import { compileFrames, type FramesPrograms } from '../lib/compile.ts';
import { type Identity, PEER_PORT, WARM_UP_SECONDS, whereTo } from '../lib/load.ts';
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

/** Enough for every queue on the way to hold work, less than the 256 that the shortest, a veth's, takes. */
const WINDOW = 192;
const BATCH = 64;
const MAX_SECONDS = 60;

let programs: Promise<FramesPrograms> | undefined;

export function framesPrograms(): Promise<FramesPrograms> {
  programs ??= compileFrames();
  return programs;
}

/** Opens the flows through the relay, then has the kernel send frames of them. Throws when what comes out is not what should. */
export async function loadFrames(relay: PlacedRelay, cell: FrameCell, seconds: number): Promise<FrameSample> {
  const { place, pid } = relay;
  const file = join(mkdtempSync(join(place.arena.scratch, 'flows-')), 'flows');
  const holder = await openFlows(relay, cell, file);
  try {
    const rate = typeof cell.mode === 'object' ? cell.mode.rate : 0;
    await prepare(place, rate === 0);
    const [into, outOf] = cell.direction === 'up' ? (['vc', 'vp'] as const) : (['vp', 'vc'] as const);
    const { program, frames } = await framesPrograms();
    const windowed = cell.mode === 'best' && relay.best === 'window';
    const sinkSpace = relay.sinkAtRelay ? place.spaces.relay : place.spaces.load;
    const options = {
      object: frames,
      flows: file,
      in: into,
      'in-space': spacePath(place.spaces.load),
      out: relay.sinkAtRelay ? into : outOf,
      'out-space': spacePath(sinkSpace),
      gateway: place.macs.relay[into],
      size: cell.size,
      train: cell.train ?? 1,
      window: windowed ? WINDOW : 0,
      rate,
      // Frames that wait for others to leave with them would be late.
      batch: rate > 0 ? 1 : BATCH,
      count: cell.count ?? 0,
      pid,
      core: place.arena.relayCore,
      seconds,
      'warm-up': cell.count === undefined ? WARM_UP_SECONDS : 0,
    };
    const command = [
      program,
      'run',
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ];
    const pinned = [...FIRST, 'taskset', '-c', String(place.arena.loadCore), ...command];
    return checked(JSON.parse(await run(pinned, (MAX_SECONDS + 20) * 1000, 'frames')) as FrameSample);
  } finally {
    await holder?.stop();
  }
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

async function openFlows(relay: PlacedRelay, cell: FrameCell, file: string): Promise<Child | undefined> {
  if (relay.flows !== undefined) {
    writeFileSync(file, `${relay.flows(cell.flows, cell.direction).join('\n')}\n`);
    return undefined;
  }
  const options = ['--flows', String(cell.flows), '--size', String(cell.size), '--file', file];
  const child = start(openCommand(relay, [...options, ...(cell.direction === 'down' ? ['--down'] : [])]));
  await whenReady('load', child, child.says('open'));
  return child;
}

/** The second client of a pair is where peers are: so that what comes out does not leave by the device that it came in by. */
function openCommand({ place, ...relay }: PlacedRelay, options: readonly string[]): string[] {
  const { arena } = place;
  const isClientToo = relay.protocol === 'pair' || relay.protocol === 'wireguard';
  const peer = isClientToo ? ['--peer', `${arena.topology.peer}:${PEER_PORT}`] : [];
  return loadCommand(arena, 'open', [...whereTo(arena, relay, relay.identity ?? {}), ...peer, ...options]);
}

function checked(sample: FrameSample): FrameSample {
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
