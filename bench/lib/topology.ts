import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { onExit } from './cleanup.ts';
import { hasCommand } from './machine.ts';

/** Where relay and load stand. Relays face clients on one address and peers on another where there are two networks. */
export interface Topology {
  readonly kind: 'namespaces' | 'loopback';
  /** Names of the network namespaces, where there are such. */
  readonly spaces?: { readonly relay: string; readonly load: string };
  readonly relayFront: string;
  readonly relayBack: string;
  readonly peer: string;
  /** Another address for each number (they repeat after some dozens): a client that no relay has seen lately. */
  client(serial: number): string;
  /** Commands that run on the relay's and on the load's side. */
  relaySide(command: readonly string[]): string[];
  loadSide(command: readonly string[]): string[];
}

/** Namespaces where we may make them: packets then cross veth devices and routing as they would cross a network card. */
export function makeTopology(forceLoopback: boolean): Topology {
  if (forceLoopback || process.getuid?.() !== 0 || !hasCommand('ip')) return loopback();
  removeStale();
  try {
    return namespaces();
  } catch (error) {
    console.error(`bench: no network namespaces here (${firstLine(error)}): using loopback`);
    return loopback();
  }
}

function loopback(): Topology {
  return {
    kind: 'loopback',
    relayFront: '127.0.0.2',
    relayBack: '127.0.0.2',
    peer: '127.0.0.3',
    client: (serial) => `127.0.1.${1 + (serial % 100)}`,
    relaySide: (command) => [...command],
    loadSide: (command) => [...command],
  };
}

const PREFIX = 'culvert-bench-';
let made = 0;

/**
 *   load namespace                          relay namespace
 *   clients 10.213.0.2, .128 to .254 ═vc═══ 10.213.0.1
 *   peer 10.213.1.2                  ═vp═══ 10.213.1.1
 */
function namespaces(): Topology {
  const serial = made++;
  const relay = `${PREFIX}${process.pid}-${serial}-relay`;
  const load = `${PREFIX}${process.pid}-${serial}-load`;
  for (const name of [relay, load]) {
    ip(`netns add ${name}`);
    onExit(() => ip(`netns del ${name}`));
  }
  for (const [device, net] of [
    ['vc', '10.213.0'],
    ['vp', '10.213.1'],
  ]) {
    ip(`-n ${relay} link add ${device} type veth peer name ${device} netns ${load}`);
    ip(`-n ${relay} addr add ${net}.1/24 dev ${device}`);
    ip(`-n ${load} addr add ${net}.2/24 dev ${device}`);
    for (const side of [relay, load]) ip(`-n ${side} link set ${device} up`);
  }
  for (const side of [relay, load]) ip(`-n ${side} link set lo up`);
  ip(`-n ${load} route add local 10.213.0.128/25 dev lo`);

  const inside = (name: string) => (command: readonly string[]) => ['ip', 'netns', 'exec', name, ...command];
  return {
    kind: 'namespaces',
    spaces: { relay, load },
    relayFront: '10.213.0.1',
    relayBack: '10.213.1.1',
    peer: '10.213.1.2',
    client: (serial) => `10.213.0.${128 + (serial % 120)}`,
    relaySide: inside(relay),
    loadSide: inside(load),
  };
}

/** Namespaces of runs that were killed too hard to tidy up. */
function removeStale(): void {
  let names: string[] = [];
  try {
    names = readdirSync('/run/netns');
  } catch {
    return;
  }
  for (const name of names) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split('-')[0]) : 0;
    if (pid > 0 && !isAlive(pid)) ip(`netns del ${name}`);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function ip(line: string): void {
  execFileSync('ip', line.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
