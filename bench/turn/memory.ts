import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena, ContestantName } from './contestant.ts';
import { starters } from './contestants.ts';
import { loadHold } from './load.ts';

export interface MemorySample {
  readonly allocations: number;
  /** Kilobytes (1024 bytes). */
  readonly idleRss: number;
  readonly heldRss: number;
  /** Growth of the kernel's slabs, machine-wide: sockets, files, dentries, epoll items. */
  readonly slab: number;
  /** Milliseconds of CPU that making all of them cost. */
  readonly relayCpuMs: number;
}

const SETTLE_MS = 1500;

/** A fresh process, idle; then with `count` allocations of one channel each. */
export async function measureMemory(arena: Arena, name: ContestantName, count: number): Promise<MemorySample> {
  const contestant = await starters[name](arena);
  try {
    await sleep(SETTLE_MS);
    const idleRss = rss(contestant.child.pid);
    const slabBefore = slab();
    const made = await loadHold(arena, contestant, count);
    if (made.held !== count) throw new Error(`${name}: ${made.held} of ${count} allocations (${made.fault})`);
    await sleep(SETTLE_MS);
    return {
      allocations: count,
      idleRss,
      heldRss: rss(contestant.child.pid),
      slab: slab() - slabBefore,
      relayCpuMs: made.relayCpu * 1000,
    };
  } finally {
    await contestant.child.stop();
  }
}

function rss(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmRSS');
}

function slab(): number {
  return field('/proc/meminfo', 'Slab');
}

function field(path: string, name: string): number {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`));
  return Number(/\d+/.exec(line ?? '')?.[0] ?? Number.NaN);
}
