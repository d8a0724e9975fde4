import { join } from 'node:path';
import { forward } from '../forward/forward.ts';
import { type Benchmark, type Kind, runBenchmark, type Stage, type Trial } from '../lib/benchmark.ts';
import { run } from '../lib/child.ts';
import { culvertVersion } from '../lib/culvert.ts';
import type { TripSample } from '../lib/load.ts';
import { root } from '../lib/paths.ts';
import { type CommonPlan, chosen } from '../lib/plan.ts';
import type { Contestant, Relay } from '../lib/relay.ts';
import {
  bare,
  bareRewrite,
  coturn,
  culvert,
  forwarders,
  kernelForwarding,
  loadAlone,
  SERVICES,
  type ServiceName,
} from './contestants.ts';
import { type FrameCell, type FrameSample, framesPrograms, loadFrames, type PlacedRelay } from './frames.ts';
import { framesKind, latencies, type MapSample, maps } from './kinds.ts';
import { FIRST } from './place.ts';
import { targets } from './targets.ts';

/** `npm run bench -- engines`: the engines beside each other and beside what the kernel and others can do. */
export function benchEngines(args: string[]): Promise<number> {
  return runBenchmark(engines, args);
}

const RATE = 10_000;
const references = ['coturn', 'rewrite'];
const SENT =
  "coturn does TURN whatever the service. Everybody as he does best. A process has so many frames under way that it delivers most, of 16, 32, 64, 128 and 192, and what its devices receive is done on the load's core, as a second one would; its own core counts what is left. The kernel (kernel, rewrite, nftables, xdp) always has more than it can do, and all of it, receiving and the sink included, is on the one core of the relay. Where more is offered than delivered, the relay is the bound and not the load. load: generator and sink at the two ends of one device.";
const kinds: Readonly<Record<ServiceName, Kind<FrameSample>>> = {
  turn: framesKind('turn', 'TURN', references, SENT),
  wireguard: framesKind('wireguard', 'WireGuard relay', references, SENT),
  pair: framesKind('pair', 'Pair relay', references, SENT),
  forward: framesKind('forward', 'UDP forward', references, SENT),
};
const overload = framesKind(
  'overload',
  'TURN under overload',
  references,
  'Everybody is offered far more than he can do, and has one core for it: receiving takes it from sending.',
);
const interleaved = framesKind(
  'interleaved',
  'TURN, flows interleaved',
  ['coturn', 'culvert-xdp'],
  'Each frame is of another flow than the one before.',
);
const bulk = framesKind(
  'bulk',
  'TURN, bulk',
  ['coturn', 'culvert-xdp'],
  "Trains of one flow, as a burst makes them: GRO of the relay's device merges them for a socket that asks for it. What leaves is cut into frames in software, because the sink takes no segments.",
);

/** Exported for the tests. */
export const engines: Benchmark = {
  name: 'engines',
  title: 'Engines',
  contestants: [
    ...[
      'culvert',
      'coturn',
      'bare',
      'socat',
      'nginx',
      'haproxy-splice',
      'nftables',
      'kernel',
      'rewrite',
      'load',
      'direct',
    ],
  ],
  parts: [...SERVICES, 'overload', 'bulk', 'latency', 'maps', 'tcp'],
  engines: 'portable,batched,xdp',
  traffic:
    'frames made and counted in the kernel (live frames through BPF_PROG_TEST_RUN, XDP sink); what a sender or a receiver merges is said where it is',
  stages: (plan) => [
    ...SERVICES.map(
      (service): Stage => ({
        name: service,
        contestants: chosen(plan, everybody(plan, service)),
        trials: dataTrials(plan, service),
      }),
    ),
    { name: 'overload', contestants: chosen(plan, everybody(plan, 'turn')), trials: [overloadTrial()] },
    { name: 'bulk', contestants: chosen(plan, everybody(plan, 'turn')), trials: bulkTrials(plan) },
    { name: 'latency', contestants: chosen(plan, everybody(plan, 'turn')), trials: [latencyTrial()] },
    { name: 'maps', contestants: chosen(plan, [mapsAlone()]), trials: [mapTrial(plan)], fresh: plan.quick ? 1 : 3 },
    ...tcpStages(plan),
  ],
  targets,
};

function everybody(plan: CommonPlan, service: ServiceName): Contestant[] {
  return [
    ...plan.engines.map((engine) => culvert(service, engine)),
    coturn(),
    ...(service === 'forward' ? forwarders() : []),
    ...(service === 'turn' ? [bare()] : []),
    kernelForwarding(),
    bareRewrite(),
    loadAlone(),
  ];
}

function dataTrials({ quick }: CommonPlan, service: ServiceName): Trial[] {
  const cell = (flows: number, size: number): FrameCell => ({ direction: 'up', flows, size, mode: 'best' });
  const cells = quick ? [cell(1, 160)] : [cell(1, 160), cell(1000, 160), cell(1, 1200)];
  const down: FrameCell = { direction: 'down', flows: 1, size: 160, mode: 'best' };
  if (service === 'turn') cells.push(down);
  return cells.map((each) => frameTrial(service, each));
}

function frameTrial(service: ServiceName, cell: FrameCell): Trial {
  return {
    kind: kinds[service],
    cell: nameOf(cell),
    only: ALL.filter((name) => takesPart(name, cell)),
    take: (_, relay, seconds) => loadFrames(placedRelay(relay), cell, seconds),
  };
}

/** A process a session, sockets a flow, constants that are for one direction: not everybody can everything. */
function takesPart(name: string, { flows, direction }: FrameCell): boolean {
  if (flows > 64 && ['socat', 'bare', 'load'].includes(name)) return false;
  return direction === 'up' || (name !== 'rewrite' && name !== 'load');
}

function overloadTrial(): Trial {
  const cell: FrameCell = { direction: 'up', flows: 1, size: 160, mode: 'flood' };
  return {
    kind: overload,
    cell: nameOf(cell),
    take: (_, relay, seconds) => loadFrames(placedRelay(relay), cell, seconds),
  };
}

function bulkTrials({ quick }: CommonPlan): Trial[] {
  const cells: readonly FrameCell[] = [
    { direction: 'up', flows: 64, size: 160, mode: 'best' },
    { direction: 'up', flows: 64, size: 160, mode: 'best', train: TRAIN },
    { direction: 'up', flows: 64, size: 1200, mode: 'best', train: TRAIN },
  ];
  return (quick ? cells.slice(0, 1) : cells).map((cell) => ({
    kind: cell.train === undefined ? interleaved : bulk,
    cell: nameOf(cell),
    take: (_, relay, seconds) => loadFrames(placedRelay(relay), cell, seconds),
  }));
}

function latencyTrial(): Trial<TripSample> {
  const cell: FrameCell = { direction: 'up', flows: 1, size: 160, mode: { rate: RATE } };
  return {
    kind: latencies,
    cell: `${nameOf(cell)}, ${RATE.toLocaleString('en-US')}/s`,
    take: async (_, relay, seconds) => {
      const {
        trips = 0,
        p50 = Number.NaN,
        p99 = Number.NaN,
        sent,
        delivered,
      } = await loadFrames(placedRelay(relay), cell, seconds);
      return { trips, p50, p99, max: Number.NaN, lost: Math.max(0, sent - delivered) };
    },
  };
}

function mapTrial({ quick }: CommonPlan): Trial<MapSample> {
  return {
    kind: maps,
    cell: 'client → peer, 160 B',
    take: async (arena) => {
      const { wrap, lookup } = await framesPrograms();
      const worker = join(root, 'bench/guard/maps-worker.ts');
      const pinned = [...FIRST, 'taskset', '-c', String(arena.relayCore)];
      const command = [
        ...pinned,
        process.execPath,
        worker,
        wrap,
        lookup,
        quick ? '14' : '20',
        quick ? '20000' : '1000000',
      ];
      return JSON.parse(await run(command, 120_000)) as MapSample;
    },
  };
}

/** As the benchmark of forwards has them. Frames from the kernel do not speak TCP; its load of sockets is no bottleneck for bytes. */
function tcpStages(plan: CommonPlan): Stage[] {
  const withEngines = { ...plan, engines: plan.engines.filter((engine) => engine !== 'xdp') };
  const wanted = ['throughput', 'connections'];
  const stages = withEngines.engines.length === 0 ? [] : forward.stages(withEngines);
  return stages.filter(({ name }) => wanted.includes(name)).map((stage) => ({ ...stage, name: 'tcp' }));
}

/** Not running: its program alone is measured. */
function mapsAlone(): Contestant {
  return {
    name: 'culvert-xdp',
    version: () => culvertVersion('xdp'),
    start: async () => ({ protocol: 'self', front: '', pid: 0, stop: async () => undefined }),
  };
}

function placedRelay(relay: Relay): PlacedRelay {
  if (!('place' in relay)) throw new Error('a contestant of this benchmark needs a place of its own');
  return relay as PlacedRelay;
}

function nameOf({ direction, flows, size, train = 1 }: FrameCell): string {
  const arrow = direction === 'up' ? 'client → peer' : 'peer → client';
  const many = `${flows.toLocaleString('en-US')} flow${flows > 1 ? 's' : ''}`;
  return `${arrow}, ${many}, ${size} B${train > 1 ? `, trains of ${train}` : ''}`;
}

const TRAIN = 64;
const ALL: readonly string[] = engines.contestants;
