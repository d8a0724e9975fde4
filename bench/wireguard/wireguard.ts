import { direct, socat } from '../contestants/forwards.ts';
import { nftables } from '../contestants/nftables.ts';
import { culvertWireguard, floodingRelay } from '../contestants/relays.ts';
import { type Benchmark, type Kind, type Results, runBenchmark, type Trial } from '../lib/benchmark.ts';
import { fixed, percent, ratioOf, thousands, times } from '../lib/format.ts';
import { dataKind, memoryKind, perSecond, tripKind } from '../lib/kinds.ts';
import { type DataCell, loadData, loadMeet, loadRtt, loadSpread, mustBeExact, type SpreadSample } from '../lib/load.ts';
import { measureMemory } from '../lib/memory.ts';
import { type CommonPlan, chosen, perEngine } from '../lib/plan.ts';
import type { Contestant } from '../lib/relay.ts';
import { samplesOf } from '../lib/report.ts';
import { atMost, type Target, target } from '../lib/targets.ts';

/** `npm run bench -- wireguard`: a relay that knows indices beside one that floods, and beside fixed forwards between two peers. */
export function benchWireguard(args: string[]): Promise<number> {
  return runBenchmark(wireguard, args);
}

const RATE = 2000;
/** Flows are pairs of peers. */
const MANY = 32;

const data = dataKind(
  ['flooding', 'socat'],
  'Payload behind the header of 16 bytes. culvert: with registered keys; culvert-open: with none; both have seen true handshakes (types, indices, mac1). flooding: everything to all others, so with many peers most of its work is for nobody; what arrives at others is not counted. socat and nftables are fixed forwards to one peer, which is all they can be.',
);
const trips = tripKind(
  'rtt',
  'Round trips',
  ['flooding', 'socat'],
  `160 B through the relay to the other peer and back, ${RATE} a second, the load spinning. Direct is without a relay: what is above it was added.`,
);
const spread: Kind<SpreadSample> = {
  key: 'spread',
  title: 'Amplification',
  note: "200 packets of data, one at a time, and everything that arrives at any peer. More than 1 is traffic that nobody asked for, and others' data in the wrong hands.",
  references: [],
  plot: 'less is better',
  columns: [
    { heading: 'packets out per packet in', value: ({ right, wrong, sent }) => (right + wrong) / sent, show: fixed(2) },
    { heading: 'at the right peer', value: ({ right, sent }) => right / sent, show: percent },
    { heading: 'at others', value: ({ wrong }) => wrong, show: thousands },
  ],
};
const memory = memoryKind(
  'client',
  [],
  'Each client has one session with one other; keys are registered. The keys of the list are in the idle figure.',
);

/** Exported for the tests. */
export const wireguard: Benchmark = {
  name: 'wireguard',
  title: 'WireGuard relay',
  contestants: ['culvert', 'culvert-open', 'flooding', 'socat', 'nftables', 'direct'],
  parts: ['two', 'many', 'amplification', 'memory'],
  stages: (plan) => [
    { name: 'two', contestants: chosen(plan, everybody(plan)), trials: dataTrials(1) },
    ...(plan.quick ? [] : [{ name: 'many', contestants: chosen(plan, relays(plan)), trials: dataTrials(MANY) }]),
    ...(plan.quick ? [1, 4] : [1, 4, 16, 32]).map((pairs) => ({
      name: 'amplification',
      contestants: chosen(plan, relays(plan)),
      trials: [spreadTrial(pairs)],
      fresh: 1,
    })),
    {
      name: 'memory',
      contestants: chosen(plan, registered(plan, clients(plan))),
      trials: [memoryTrial(clients(plan))],
      fresh: plan.quick ? 1 : 3,
    },
  ],
  targets,
};

function everybody(plan: CommonPlan): Contestant[] {
  return [...relays(plan), socat('socat', 'udp'), nftables('udp'), direct('direct')];
}

/** Those that can join more than two peers. */
function relays(plan: CommonPlan): Contestant[] {
  const open = perEngine(plan, (name, engine) => culvertWireguard(name, engine, 0), 'culvert-open');
  return [...registered(plan, 2 * MANY), ...open, floodingRelay()];
}

function registered(plan: CommonPlan, keys: number): Contestant[] {
  return perEngine(plan, (name, engine) => culvertWireguard(name, engine, keys));
}

function dataTrials(pairs: number): Trial[] {
  const cells = [160, 1200].map((size): DataCell => ({ direction: 'up', flows: pairs, size, mode: 'window' }));
  const measured: Trial[] = cells.map((cell) => ({
    kind: data,
    cell: cellOf(pairs, cell.size),
    take: async (arena, relay, seconds, name) => {
      const sample = await loadData(arena, relay, cell, seconds);
      return name === 'flooding' ? sample : mustBeExact(sample);
    },
  }));
  if (pairs > 1) return measured;
  const take: Trial['take'] = (arena, relay, seconds) => loadRtt(arena, relay, RATE, seconds);
  return [...measured, { kind: trips, cell: '160 B', take }];
}

function spreadTrial(pairs: number): Trial {
  return { kind: spread, cell: spreadCell(pairs), take: (arena, relay) => loadSpread(arena, relay, pairs) };
}

function memoryTrial(count: number): Trial {
  return {
    kind: memory,
    cell: `${thousands(count)} clients`,
    take: (arena, relay) =>
      measureMemory(relay.pid, count, async () => {
        await loadMeet(arena, relay, count / 2, 120);
        return undefined;
      }),
  };
}

function targets(results: Results): Target[] {
  const many = samplesOf(results, data, cellOf(MANY, 160));
  const worst = results.trials
    .filter(({ kind }) => kind === spread.key)
    .flatMap(({ cell }) => ['culvert', 'culvert-open'].flatMap((name) => samplesOf(results, spread, cell)[name] ?? []));
  return [
    target(
      'amplification of data, worst of all',
      '≤ 1.00',
      atMost(1),
      worst.length === 0 ? undefined : Math.max(...worst.map(({ right, wrong, sent }) => (right + wrong) / sent)),
      fixed(2),
    ),
    target(
      `delivered packets, ${2 * MANY} peers, against a flooding relay`,
      '> 1×',
      (value) => value > 1,
      ratioOf(many, 'culvert', 'flooding', perSecond),
      times,
    ),
  ];
}

/** They are joined one by one, with retries of 200 ms, and with many keys a handshake from an unknown place costs as many hashes: more take minutes. */
function clients({ quick }: CommonPlan): number {
  return quick ? 50 : 500;
}

function cellOf(pairs: number, size: number): string {
  return `${2 * pairs} peers, ${size} B`;
}

function spreadCell(pairs: number): string {
  return `${2 * pairs} peers`;
}
