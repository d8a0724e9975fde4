import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../lib/child.ts';
import { rss, slab } from '../lib/memory.ts';
import { root } from '../lib/paths.ts';
import type { ContestantName, TurnArena } from './contestant.ts';
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

export interface HeapSample {
  readonly allocations: number;
  /** Bytes of heap that the service keeps per allocation with one channel. */
  readonly heapPerAllocation: number;
}

/** Culvert's service by itself, without the sockets below it. */
export async function measureHeap(arena: TurnArena, count: number): Promise<HeapSample> {
  const worker = join(root, 'bench/turn/heap-worker.ts');
  const pinned = ['taskset', '-c', String(arena.relayCore)];
  const text = await run([...pinned, process.execPath, '--expose-gc', worker, String(count)], 60_000);
  return JSON.parse(text) as HeapSample;
}

/** A fresh process, idle; then with `count` allocations of one channel each. */
export async function measureMemory(arena: TurnArena, name: ContestantName, count: number): Promise<MemorySample> {
  const contestant = await starters[name](arena);
  try {
    await sleep(SETTLE_MS);
    const idleRss = rss(contestant.pid);
    const slabBefore = slab();
    const made = await loadHold(arena, contestant, count);
    if (made.held !== count) throw new Error(`${name}: ${made.held} of ${count} allocations (${made.fault})`);
    await sleep(SETTLE_MS);
    return {
      allocations: count,
      idleRss,
      heldRss: rss(contestant.pid),
      slab: slab() - slabBefore,
      relayCpuMs: made.relayCpu * 1000,
    };
  } finally {
    await contestant.stop();
  }
}
