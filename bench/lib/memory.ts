import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface MemorySample {
  /** How many clients, pairs or connections `held` is with. */
  readonly count: number;
  /** Kilobytes (1024 bytes) of the process and its children, pages that they share counted once. */
  readonly idle: number;
  readonly held: number;
  /** Growth of the kernel's slabs, machine-wide: sockets, files, dentries, epoll items. */
  readonly slab: number;
}

const SETTLE_MS = 1000;

/** Around an action that gives the relay `count` of something to hold. The result of the action, if any, is undone afterwards. */
export async function measureMemory(
  pid: number,
  count: number,
  action: () => Promise<(() => Promise<void>) | undefined>,
): Promise<MemorySample> {
  await sleep(SETTLE_MS);
  const idle = proportional(pid);
  const slabBefore = slab();
  const undo = await action();
  await sleep(SETTLE_MS);
  const sample = { count, idle, held: proportional(pid), slab: slab() - slabBefore };
  await undo?.();
  return sample;
}

export function rss(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmRSS');
}

export function slab(): number {
  return field('/proc/meminfo', 'Slab');
}

/** Bytes a client: of the relay, and with the kernel's share. */
export const bytesEach = ({ count, idle, held }: MemorySample): number => ((held - idle) * 1024) / count;
export const kernelBytesEach = ({ count, slab: grown }: MemorySample): number => (grown * 1024) / count;

/** Pss of the process and all below it; those that end meanwhile do not count. */
function proportional(pid: number): number {
  if (pid === 0) return 0;
  try {
    const own = field(`/proc/${pid}/smaps_rollup`, 'Pss');
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children.split(' ').reduce((sum, child) => sum + (child === '' ? 0 : proportional(Number(child))), own);
  } catch {
    return 0;
  }
}

function field(path: string, name: string): number {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`));
  return Number(/\d+/.exec(line ?? '')?.[0] ?? Number.NaN);
}
