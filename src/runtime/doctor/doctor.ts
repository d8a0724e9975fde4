import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { type Fault, formatFault } from '../../control/config/faults.ts';
import type { Config } from '../../control/config/schema.ts';
import { readVersion } from '../../control/version.ts';
import { batchedObstacle } from '../../engine/batched/obstacle.ts';
import { bpfFileSystem } from '../../engine/xdp/bpf-file-system.ts';
import { DataPlane } from '../../engine/xdp/data-plane.ts';
import { nativeObstacle } from '../../engine/xdp/native.ts';
import { genericObstacle } from '../../engine/xdp/obstacle.ts';
import type { Family } from '../../net/address.ts';
import { heldCapabilities } from '../../sys/capabilities.ts';
import { cpuQuota } from '../../sys/cpu-quota.ts';
import { type Feature, type FeatureName, feature } from '../../sys/features.ts';
import { interfaceIndex } from '../../sys/interfaces.ts';
import { libbpf } from '../../sys/libbpf/library.ts';
import { lackingCapabilities } from '../../sys/libbpf/probe.ts';
import { loadLibc } from '../../sys/libc.ts';
import { openFilesLimit } from '../../sys/open-files.ts';
import { ownAddresses } from '../addresses.ts';
import { interfacesFor, planEngine } from '../engine-plan.ts';
import type { Defaults } from '../hosts.ts';
import { askInstance } from '../instance-client.ts';
import { KernelTraces } from '../kernel-traces.ts';
import { planTurn } from '../plan.ts';
import { transparencyObstacle } from '../transparency.ts';
import { addressFindings } from './addresses.ts';
import { clockFindings } from './clock.ts';
import { runTool } from './command.ts';
import { type EngineReport, engineFindings, engineReport } from './engine.ts';
import { stateFindings, tlsFindings } from './files.ts';
import { about, type Finding } from './finding.ts';
import { firewallFindings, openingsOf } from './firewall.ts';
import { holderOf } from './holders.ts';
import { interfaceFindings, occupied } from './interfaces.ts';
import { kernelFindings } from './kernel.ts';
import { limitFindings } from './limits.ts';
import { portFindings, type Trial, tryToBind } from './ports.ts';
import { rightsFindings } from './rights.ts';
import { type PlannedSocket, plannedSockets } from './sockets.ts';
import { localTables, transparencyFindings } from './transparency.ts';

export interface DoctorOptions {
  readonly config: Config;
  readonly defaults: Defaults;
  /** Of the configuration. */
  readonly warnings: readonly Fault[];
}

export interface Diagnosis {
  readonly version: string;
  /** No finding is a problem. */
  readonly ok: boolean;
  readonly engine: EngineReport;
  readonly findings: readonly Finding[];
}

/**
 * Looks at this machine with the eyes of a relay with this configuration. Nothing is changed: ports are opened and closed again, the kernel's
 * program is loaded and let go.
 */
export async function diagnose({ config, defaults, warnings }: DoctorOptions): Promise<Diagnosis> {
  const own = ownAddresses();
  const plan = planTurn(config, defaults.turn, own);
  const sockets = plannedSockets(config, plan, defaults, own);
  const relayFamilies = ([4, 6] as const).filter((family) => plan.relay[family === 4 ? 'ipv4' : 'ipv6'] !== undefined);
  const interfaces = interfacesFor(config);
  const batched = batchedObstacle();
  const running = await runningRelay(config.state);
  const ways = await waysOf(interfaces);
  const ours = running !== undefined || new KernelTraces(config.state).present;
  const xdp =
    DataPlane.foresee(interfaces) ??
    (config.engine === 'auto' ? genericObstacle(interfaces) : undefined) ??
    (ours ? undefined : occupied(ways));
  const report = engineReport({
    wanted: config.engine,
    plan: planEngine(config, { batched: () => batched, xdp: () => xdp }),
    batched,
    xdp,
  });
  const held = heldCapabilities();
  const findings = [
    ...engineFindings(report),
    ...kernelFindings({
      release: release(),
      libc: loadLibc(),
      features: allFeatures(),
      off: switchedOff(config),
      libbpf: libbpf(),
      bpfFileSystem: bpfFileSystem(),
    }),
    ...rightsFindings({
      held,
      lackingForXdp: lackingCapabilities(),
      firstFreePort: numberIn('/proc/sys/net/ipv4/ip_unprivileged_port_start') ?? 1024,
      ports: sockets.map(({ local }) => local.port),
    }),
    ...interfaceFindings({
      interfaces: ways,
      wantsXdp: config.engine === 'xdp',
      ours,
    }),
    ...limitFindings({
      config,
      sockets,
      relayFamilies: relayFamilies.length,
      rmemMax: numberIn('/proc/sys/net/core/rmem_max'),
      wmemMax: numberIn('/proc/sys/net/core/wmem_max'),
      mayExceed: held.has('CAP_NET_ADMIN') && report.runs !== 'portable',
      openFiles: openFilesLimit(),
      processors: availableParallelism(),
      cpuQuota: cpuQuota(),
    }),
    ...addressFindings(config, plan, own),
    ...portFindings(await tryAll(sockets), running),
    ...(await firewallOf(sockets, config, relayFamilies)),
    ...transparencyFindings({
      config,
      obstacle: transparencyObstacle(config, () => batched),
      tables: await localTables(config, (args) => runTool('ip', args)),
    }),
    ...stateFindings(config.state),
    ...tlsFindings(config.turn?.tls, Date.now()),
    // Expiry is told as the certificate's own.
    ...warnings
      .filter(({ path }) => path.join('.') !== 'turn.tls.cert')
      .map((warning) => about('files')('configuration', 'note', formatFault(warning))),
    ...clockFindings(Date.now(), await isSynchronized()),
  ];
  const ok = findings.every(({ level }) => level !== 'problem');
  return { version: readVersion(), ok, engine: report, findings };
}

function allFeatures(): Record<FeatureName, Feature> {
  return {
    recvmmsg: feature('recvmmsg'),
    sendmmsg: feature('sendmmsg'),
    'dont-fragment': feature('dont-fragment'),
    'io-uring': feature('io-uring'),
    'udp-gro': feature('udp-gro'),
    'udp-segment': feature('udp-segment'),
  };
}

function switchedOff({ batched: { gso, gro, uring } }: Config): Set<FeatureName> {
  return new Set([
    ...(gso ? [] : (['udp-segment'] as const)),
    ...(gro ? [] : (['udp-gro'] as const)),
    ...(uring ? [] : (['io-uring'] as const)),
  ]);
}

/** How xdp would run on each; nothing is known of those that are not there, or without foreign functions. */
async function waysOf(names: readonly string[]) {
  if (!loadLibc().ok) return [];
  const there = names.filter((name) => interfaceIndex(name) !== 0);
  return Promise.all(
    there.map(async (name) => ({ name, obstacle: nativeObstacle([name]), program: await programOn(name) })),
  );
}

async function programOn(name: string): Promise<number | undefined> {
  const listed = await runTool('ip', ['-j', '-d', 'link', 'show', 'dev', name]);
  if (!listed.ok) return undefined;
  try {
    const [link] = JSON.parse(listed.output) as [{ xdp?: { prog?: { id?: number } } }];
    return link.xdp?.prog?.id;
  } catch {
    return undefined;
  }
}

/** One after the other: a wildcard and an address of one port would be in each other's way, as they would be for a relay. */
async function tryAll(sockets: readonly PlannedSocket[]): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const socket of sockets) {
    const failure = await tryToBind(socket);
    const holder = failure?.failure === 'in-use' ? holderOf(socket.kind, socket.local) : undefined;
    trials.push({ socket, failure, holder });
  }
  return trials;
}

async function firewallOf(sockets: readonly PlannedSocket[], config: Config, families: readonly Family[]) {
  const [nft, iptables, ip6tables] = await Promise.all([
    runTool('nft', ['-j', 'list', 'ruleset']),
    runTool('iptables-save', []),
    runTool('ip6tables-save', []),
  ]);
  return firewallFindings({ nft, iptables, ip6tables }, openingsOf(sockets, config.turn, families));
}

async function runningRelay(state: string): Promise<number | undefined> {
  const asked = await askInstance(state, 'hello');
  asked?.close();
  return asked?.answer.pid;
}

async function isSynchronized(): Promise<boolean | undefined> {
  const told = await runTool('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
  return told.ok ? told.output.trim() === 'yes' : undefined;
}

function numberIn(path: string): number | undefined {
  const number = Number.parseInt(textOf(path) ?? '', 10);
  return Number.isNaN(number) ? undefined : number;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
