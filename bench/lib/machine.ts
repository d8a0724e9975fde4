import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, getPriority, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Share of all cores' time that was busy before the first run, 0 to 1. */
  readonly busyBefore: number;
  /** Of load and contestants alike: below 0 the scheduler prefers them to whatever else runs on the machine. */
  readonly nice: number;
}

export async function machineFacts(): Promise<MachineFacts> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: release(),
    node: process.version,
    busyBefore: await busyShare(1000),
    nice: getPriority(),
  };
}

/** Two cores that we may use, not two threads of one: [load, relay]. The same core twice where there is only one. */
export function chooseCores(): readonly [number, number] {
  const allowed = listOf(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0');
  const load = allowed[0] ?? 0;
  const siblings = listOf(readOr(`/sys/devices/system/cpu/cpu${load}/topology/thread_siblings_list`, String(load)));
  return [load, allowed.findLast((core) => !siblings.includes(core)) ?? allowed.at(-1) ?? load];
}

export function hasCommand(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function busyShare(milliseconds: number): Promise<number> {
  const before = cpuTimes();
  await sleep(milliseconds);
  const after = cpuTimes();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

function cpuTimes(): { busy: number; all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, value) => sum + value, 0);
  return { all, busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

/** "0-2,5" → 0, 1, 2, 5 */
function listOf(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return otherwise;
  }
}
