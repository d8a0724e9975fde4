import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './child.ts';
import { onExit } from './cleanup.ts';
import { compileLoad } from './compile.ts';
import { chooseCores, hasCommand, type MachineFacts, machineFacts } from './machine.ts';
import { makeTopology, type Topology } from './topology.ts';

/** What every contestant is started with, and every measurement made in. */
export interface Arena {
  readonly topology: Topology;
  /** The program that bench/load compiles to. */
  readonly load: string;
  readonly loadCore: number;
  readonly relayCore: number;
  /** An empty folder that is gone afterwards. */
  readonly scratch: string;
  /** For the contestants that run on Node. */
  readonly nodeFlags: readonly string[];
}

const BUSY = 0.1;

/** Checks the machine, says what is wrong with it, and makes the place for a run. Throws what makes a run impossible. */
export async function openArena(forceLoopback: boolean): Promise<{ arena: Arena; machine: MachineFacts }> {
  if (!hasCommand('taskset'))
    throw new Error('needs taskset to keep relay and load apart (apt-get install util-linux)');
  const load = await compileLoad();
  const machine = await machineFacts();
  if (machine.busyBefore > BUSY) {
    console.error(`bench: the machine is ${Math.round(machine.busyBefore * 100)} % busy already: figures will be off`);
  }
  const [loadCore, relayCore] = chooseCores();
  if (loadCore === relayCore) console.error('bench: only one core: relay and load share it, figures mean little');
  const scratch = mkdtempSync(join(tmpdir(), 'culvert-bench-'));
  onExit(() => rmSync(scratch, { recursive: true, force: true }));
  const topology = makeTopology(forceLoopback);
  return { machine, arena: { topology, load, loadCore, relayCore, scratch, nodeFlags: [] } };
}

/** Pinned to the relay's core, with enough descriptors for 10,000 sockets. The pid stays that of the command itself. */
export function relayCommand(arena: Arena, command: readonly string[]): string[] {
  return arena.topology.relaySide(pinned(arena.relayCore, command));
}

/** One command of the load program, with what it printed. Bounded. */
export async function runLoad<Sample>(
  arena: Arena,
  command: string,
  options: readonly string[],
  seconds: number,
): Promise<Sample> {
  const text = await run(loadCommand(arena, command, options), (seconds + 40) * 1000, command);
  return JSON.parse(text) as Sample;
}

export function loadCommand(arena: Arena, command: string, options: readonly string[]): string[] {
  return arena.topology.loadSide(pinned(arena.loadCore, [arena.load, command, ...options]));
}

function pinned(core: number, command: readonly string[]): string[] {
  return ['taskset', '-c', String(core), 'sh', '-c', 'ulimit -n 65536 2>/dev/null; exec "$@"', 'sh', ...command];
}
