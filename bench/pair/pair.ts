import { bareForwarder, direct, socat } from '../contestants/forwards.ts';
import { nftables } from '../contestants/nftables.ts';
import { culvertPair, PAIR_KEY } from '../contestants/relays.ts';
import { type Benchmark, isCulvert, type Results, runBenchmark, type Stage, type Trial } from '../lib/benchmark.ts';
import { ratioOf, times } from '../lib/format.ts';
import { dataKind, meetKind, memoryKind, perCpuSecond, perSecond, tripKind } from '../lib/kinds.ts';
import { type DataCell, loadData, loadMeet, loadRtt, mustBeExact } from '../lib/load.ts';
import { measureMemory } from '../lib/memory.ts';
import { type CommonPlan, chosen, perEngine } from '../lib/plan.ts';
import type { Relay } from '../lib/relay.ts';
import { samplesOf } from '../lib/report.ts';
import { atLeast, type Target, target } from '../lib/targets.ts';

/** `npm run bench -- pair`: two clients that meet, beside fixed UDP forwards, which is what one has without such a relay. */
export function benchPair(args: string[]): Promise<number> {
  return runBenchmark(pair, args);
}

const identity = { key: PAIR_KEY };
const RATE = 2000;

const data = dataKind(
  ['bare', 'socat'],
  "udp-relay itself is not in Debian. The others are fixed forwards to one peer: they know no pairs. nftables runs on the sender's core, which is the load's; socat takes a process for each flow.",
);
const trips = tripKind(
  'rtt',
  'Round trips',
  ['bare', 'socat'],
  `160 B through the relay to the other client and back, ${RATE} a second, the load spinning: only the relay's wake-ups are in it. Direct is without a relay: what is above it was added.`,
);
const meetings = meetKind(
  'sessions',
  ['socat'],
  "culvert: two clients send their handshakes, MAC and all, and the first hears of the second. socat: a client is heard by the peer for the first time, for which it forks; one at a time, because it takes packets of others who come just then for that client's. Of the others 64 at a time.",
);
const memory = memoryKind('pair', ['socat'], "Culvert's sockets do not grow in number; socat has a process each.");

const CELLS: readonly DataCell[] = [
  { direction: 'up', flows: 1, size: 160, mode: 'window' },
  { direction: 'up', flows: 1, size: 1200, mode: 'window' },
  { direction: 'up', flows: 64, size: 160, mode: 'window' },
  { direction: 'down', flows: 64, size: 1200, mode: 'window' },
];

/** Exported for the tests. */
export const pair: Benchmark = {
  name: 'pair',
  title: 'Pair relay',
  contestants: ['culvert', 'bare', 'socat', 'nftables', 'direct'],
  parts: ['data', 'sessions', 'memory'],
  stages: (plan) => {
    const rivals = [bareForwarder(), socat('socat', 'udp'), nftables('udp'), direct('direct')];
    const everybody = chosen(plan, [...perEngine(plan, culvertPair), ...rivals]);
    const withSessions = everybody.filter(({ name }) => isCulvert(name) || name === 'socat');
    const stages: Stage[] = [
      { name: 'data', contestants: everybody, trials: dataTrials(plan) },
      {
        name: 'sessions',
        contestants: withSessions,
        trials: [
          {
            kind: meetings,
            cell: 'from new clients',
            take: (arena, relay, seconds) => loadMeet(arena, relay, 0, seconds, identity, atATime(relay)),
          } satisfies Trial,
        ],
      },
      { name: 'memory', contestants: withSessions, fresh: plan.quick ? 1 : 3, trials: memoryTrials(plan) },
    ];
    return stages;
  },
  targets,
};

function dataTrials({ quick }: CommonPlan): Trial[] {
  const cells = quick ? CELLS.slice(0, 1) : CELLS;
  return [
    ...cells.map(
      (cell): Trial => ({
        kind: data,
        cell: nameOf(cell),
        take: async (arena, relay, seconds) => mustBeExact(await loadData(arena, relay, cell, seconds, identity)),
      }),
    ),
    {
      kind: trips,
      cell: '160 B',
      take: (arena, relay, seconds) => loadRtt(arena, relay, RATE, seconds, identity),
    },
  ];
}

function memoryTrials({ quick }: CommonPlan): Trial[] {
  const held = (count: number, only: string): Trial => ({
    kind: memory,
    cell: `${count.toLocaleString('en-US')} ${only === 'socat' ? 'sessions' : 'pairs'}`,
    only: [only],
    take: (arena, relay) =>
      measureMemory(relay.pid, count, async () => {
        await loadMeet(arena, relay, count, 60, identity, atATime(relay));
        return undefined;
      }),
  });
  return [held(quick ? 200 : 10_000, 'culvert'), held(quick ? 20 : 200, 'socat')];
}

function atATime({ protocol }: Relay): number {
  return protocol === 'pair' ? 64 : 1;
}

function targets(results: Results): Target[] {
  const cells = [...new Set(results.trials.filter(({ kind }) => kind === data.key).map(({ cell }) => cell))];
  const worst = (value: typeof perSecond) =>
    Math.min(...cells.map((cell) => ratioOf(samplesOf(results, data, cell), 'culvert', 'bare', value)));
  return [
    target('data path, worst cell, against bare node:dgram', '≥ 0.9×', atLeast(0.9), worst(perSecond), times),
    target('the same by CPU time', '≥ 0.9×', atLeast(0.9), worst(perCpuSecond), times),
  ];
}

function nameOf({ direction, flows, size }: DataCell): string {
  return `${direction === 'up' ? 'first → second' : 'second → first'}, ${flows} pair${flows > 1 ? 's' : ''}, ${size} B`;
}
