import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena } from '../lib/arena.ts';
import { onExit } from '../lib/cleanup.ts';
import { hasCommand } from '../lib/machine.ts';
import { ContestantMissingError } from '../lib/relay.ts';
import { makeTopology } from '../lib/topology.ts';

/** Devices of both sides: towards the clients, towards the peer. */
export type Device = 'vc' | 'vp';

/**
 * Namespaces of one contestant alone. A program in XDP, or connection tracking, would have its hands on everybody's packets otherwise.
 */
export interface Place {
  readonly arena: Arena;
  readonly spaces: { readonly relay: string; readonly load: string };
  /** Hardware addresses. */
  readonly macs: Readonly<Record<'relay' | 'load', Readonly<Record<Device, string>>>>;
}

export function makePlace(arena: Arena): Place {
  const topology = makeTopology(false);
  const { spaces } = topology;
  if (spaces === undefined) throw new ContestantMissingError('needs network namespaces: run it as root');
  if (!hasCommand('ethtool')) throw new ContestantMissingError('needs ethtool (apt-get install ethtool)');
  goFirst();
  const { relaySide } = topology;
  const first = { ...topology, relaySide: (command: readonly string[]) => relaySide([...FIRST, ...command]) };
  setOffloads(spaces);
  return {
    arena: { ...arena, topology: first },
    spaces,
    macs: { relay: macsOf(spaces.relay), load: macsOf(spaces.load) },
  };
}

/**
 * What a measurement relies on, set and read back before each one. GRO, which gives a veth a queue of its own to receive from. `threaded`:
 * what the relay's devices receive is the work of kernel threads on the relay's core, so that it is charged with all of it; else the sender
 * does it on its own, as an interrupt would.
 */
export async function prepare({ arena, spaces }: Place, threaded: boolean): Promise<void> {
  setOffloads(spaces);
  const switches = DEVICES.map((device) => `echo ${threaded ? 1 : 0} > /sys/class/net/${device}/threaded`);
  inSpace(spaces.relay, switches.join(' && '));
  if (!threaded) return;
  for (let tries = 0; tries < 50; tries++) {
    // All of this name: no other benchmark is to run meanwhile.
    const threads = threadsOf(/^napi\/v[cp]-/);
    const onCore = threads.map((pid) => `taskset -pc ${arena.relayCore} ${pid} && renice -n ${PRIORITY} -p ${pid}`);
    if (threads.length >= DEVICES.length) {
      execFileSync('sh', ['-c', onCore.join(' && ')], { stdio: ['ignore', 'ignore', 'pipe'] });
      return;
    }
    await sleep(10);
  }
  throw new Error('the kernel made no threads for what the devices receive');
}

let isFirst = false;

/**
 * Where the kernel shares its time out between sessions, priorities count within one only: this one's is raised until the end. A process of no
 * session (what the first process started without one) has no share: its file is empty, and takes no value. Raised are the threads too that
 * receive what was put off: beside a load that goes first they would not run for milliseconds.
 */
function goFirst(): void {
  if (isFirst) return;
  isFirst = true;
  const softirqs = threadsOf(/^ksoftirqd\//).map(String);
  execFileSync('renice', ['-n', PRIORITY, '-p', ...softirqs], { stdio: 'ignore' });
  onExit(() => execFileSync('renice', ['-n', '0', '-p', ...softirqs], { stdio: 'ignore' }));
  if (!existsSync(SESSION)) return;
  const before = /nice (-?\d+)/.exec(readFileSync(SESSION, 'utf8'))?.[1];
  if (before === undefined) return;
  writeFileSync(SESSION, PRIORITY);
  onExit(() => writeFileSync(SESSION, before));
}

function setOffloads({ relay, load }: Place['spaces']): void {
  for (const space of [relay, load]) {
    const settings = DEVICES.flatMap((device) => [
      `ethtool -K ${device} gro on`,
      // What a client's socket sends is to have its checksum, as on a wire. Of the relay a card would take it over.
      ...(space === load ? [`ethtool -K ${device} tx-checksumming off >/dev/null`] : []),
      `ethtool -k ${device}`,
    ]);
    const on = inSpace(space, settings.join(' && ')).match(/^generic-receive-offload: on/gm) ?? [];
    if (on.length !== DEVICES.length) throw new Error('GRO of a device does not stay on');
  }
}

function macsOf(space: string): Readonly<Record<Device, string>> {
  const of = (device: Device) => inSpace(space, `cat /sys/class/net/${device}/address`).trim();
  return { vc: of('vc'), vp: of('vp') };
}

function inSpace(space: string, script: string): string {
  return execFileSync('ip', ['netns', 'exec', space, 'sh', '-c', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Of the kernel. */
function threadsOf(command: RegExp): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && command.test(commandOf(name)))
    .map(Number);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return '';
  }
}

/** Whoever else is on the machine gets next to nothing of the two cores while something is measured. */
const PRIORITY = '-20';
const SESSION = '/proc/self/autogroup';
export const FIRST: readonly string[] = ['nice', '-n', PRIORITY];
const DEVICES: readonly Device[] = ['vc', 'vp'];
