import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadData } from '../lib/load.ts';
import { root } from '../lib/paths.ts';
import { type Contestant, IDENTITY, type TurnArena } from './contestant.ts';
import { starters } from './contestants.ts';
import { loadChurn } from './load.ts';

/** Where Culvert's time goes under one kind of load. */
export interface Profile {
  readonly load: string;
  /** The most expensive functions by their own time, as shares of the time that was not idle. */
  readonly top: readonly { readonly share: number; readonly where: string }[];
}

const TOP = 12;

/** Under load, in fresh processes that V8 samples: apart from the measured ones, which it would slow down. */
export async function profileCulvert(arena: TurnArena, seconds: number): Promise<Profile[]> {
  return [
    await profile(arena, 'data path, client → peer, 1 flow, 160 B', (contestant) =>
      loadData(arena, contestant, { direction: 'up', flows: 1, size: 160, mode: 'window' }, seconds, IDENTITY),
    ),
    await profile(arena, 'allocations', (contestant) => loadChurn(arena, contestant, seconds)),
  ];
}

async function profile(
  arena: TurnArena,
  load: string,
  run: (contestant: Contestant) => Promise<unknown>,
): Promise<Profile> {
  const folder = mkdtempSync(join(arena.scratch, 'profile-'));
  const started = performance.now();
  const contestant = await starters.culvert({ ...arena, nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`] });
  const startUp = performance.now() - started;
  try {
    await run(contestant);
  } finally {
    await contestant.stop();
  }
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error('no profile was written: the relay did not end cleanly');
  return { load, top: topOf(JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile, startUp) };
}

/** The parts used here of what --cpu-prof writes. */
interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  /** Microseconds, one per sample. */
  readonly timeDeltas: readonly number[];
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** From 0. */
  readonly lineNumber: number;
}

/** `startUp`: milliseconds that do not count, because the load had not begun. */
function topOf({ nodes, samples, timeDeltas }: CpuProfile, startUp: number): Profile['top'] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let elapsed = 0;
  for (const [i, id] of samples.entries()) {
    elapsed += timeDeltas[i] ?? 0;
    if (elapsed < startUp * 1000) continue;
    const name = names.get(id) ?? '?';
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0));
  }
  times.delete('(idle)');
  const all = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .map(([where, time]) => ({ where, share: time / all }))
    .sort((a, b) => b.share - a.share)
    .slice(0, TOP);
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const file = url.startsWith('file:') ? relative(root, fileURLToPath(url)) : url;
  return `${name} ${file}:${lineNumber + 1}`;
}
