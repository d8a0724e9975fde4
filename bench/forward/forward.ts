import { bareForwarder, culvertForward, direct, haproxy, nginx, socat } from '../contestants/forwards.ts';
import { nftables } from '../contestants/nftables.ts';
import type { Transport } from '../contestants/processes.ts';
import { type Benchmark, type Results, runBenchmark, type Trial } from '../lib/benchmark.ts';
import { ratioOf, times } from '../lib/format.ts';
import {
  type DataCell,
  holdConnections,
  loadConnect,
  loadData,
  loadRtt,
  loadStream,
  loadTrip,
  mustBeExact,
} from '../lib/load.ts';
import { measureMemory } from '../lib/memory.ts';
import { type CommonPlan, chosen, perEngine } from '../lib/plan.ts';
import type { Contestant } from '../lib/relay.ts';
import { samplesOf } from '../lib/report.ts';
import { atLeast, type Target, target } from '../lib/targets.ts';
import { connections, gigabits, idle, packets, RATE, streams, tcpTrips, udpTrips } from './kinds.ts';

/** `npm run bench -- forward`: TCP and UDP port forwards. */
export function benchForward(args: string[]): Promise<number> {
  return runBenchmark(forward, args);
}

const MEBIBYTE = 1 << 20;

/** Exported for the tests. */
export const forward: Benchmark = {
  name: 'forward',
  title: 'Port forward',
  contestants: [
    ...['culvert', 'socat', 'socat-1m', 'haproxy-auto', 'haproxy-splice', 'nginx', 'bare', 'nftables', 'direct'],
  ],
  parts: ['throughput', 'connections', 'memory', 'udp'],
  stages: (plan) => [
    { name: 'throughput', contestants: everybody(plan, 'tcp', tcpRivals()), trials: throughputTrials(plan) },
    { name: 'connections', contestants: everybody(plan, 'tcp', tcpRivals()), trials: CONNECTION_TRIALS },
    {
      name: 'memory',
      contestants: everybody(plan, 'tcp', tcpRivals()).filter(({ name }) => name !== 'direct'),
      trials: memoryTrials(plan),
      fresh: plan.quick ? 1 : 3,
    },
    { name: 'udp', contestants: everybody(plan, 'udp', udpRivals()), trials: udpTrials(plan) },
  ],
  targets,
};

function tcpRivals(): Contestant[] {
  return [
    socat('socat', 'tcp'),
    socat('socat-1m', 'tcp', MEBIBYTE),
    haproxy('haproxy-auto', 'splice-auto'),
    haproxy('haproxy-splice', 'splice-request', 'splice-response'),
    nginx('tcp'),
    nftables('tcp'),
    direct('direct'),
  ];
}

function udpRivals(): Contestant[] {
  return [socat('socat', 'udp'), nginx('udp'), bareForwarder(), nftables('udp'), direct('direct')];
}

function everybody(plan: CommonPlan, transport: Transport, rivals: readonly Contestant[]): Contestant[] {
  return chosen(plan, [...perEngine(plan, (name, engine) => culvertForward(name, engine, transport)), ...rivals]);
}

function throughputTrials({ quick }: CommonPlan): Trial[] {
  return (quick ? [1] : [1, 8]).map((count) => ({
    kind: streams,
    cell: streamCell(count),
    take: (arena, relay, seconds) => loadStream(arena, relay, count, seconds),
  }));
}

const CONNECTION_TRIALS: readonly Trial[] = [
  { kind: connections, cell: '64 at a time', take: loadConnect },
  { kind: tcpTrips, cell: '160 B', take: (arena, relay, seconds) => loadTrip(arena, relay, RATE, seconds) },
];

function memoryTrials({ quick }: CommonPlan): Trial[] {
  const held = (count: number, only?: readonly string[]): Trial => ({
    kind: idle,
    cell: `${count.toLocaleString('en-US')} connections`,
    ...(only === undefined ? {} : { only }),
    take: (arena, relay) =>
      measureMemory(relay.pid, count, async () => {
        const child = await holdConnections(arena, relay, count);
        return () => child.stop();
      }),
  });
  return quick ? [held(50)] : [held(5000, ['culvert', 'haproxy-auto', 'nginx', 'nftables']), held(200)];
}

function udpTrials({ quick }: CommonPlan): Trial[] {
  const cells: readonly DataCell[] = [
    { direction: 'up', flows: 1, size: 160, mode: 'window' },
    { direction: 'up', flows: 64, size: 160, mode: 'window' },
    { direction: 'down', flows: 64, size: 1200, mode: 'window' },
  ];
  return [
    ...(quick ? cells.slice(0, 1) : cells).map(
      (cell): Trial => ({
        kind: packets,
        cell: packetCell(cell),
        take: async (arena, relay, seconds) => mustBeExact(await loadData(arena, relay, cell, seconds)),
      }),
    ),
    { kind: udpTrips, cell: '160 B', take: (arena, relay, seconds) => loadRtt(arena, relay, RATE, seconds) },
  ];
}

function targets(results: Results): Target[] {
  const measured = [1, 8].map(streamCell).filter((cell) => samplesOf(results, streams, cell).culvert !== undefined);
  const against = (reference: string, least: number) =>
    measured.map((cell) =>
      target(
        `TCP throughput, ${cell}, against ${reference}`,
        `≥ ${least}×`,
        atLeast(least),
        ratioOf(samplesOf(results, streams, cell), 'culvert', reference, gigabits),
        times,
      ),
    );
  return [...against('socat', 1.7), ...against('haproxy-auto', 0.9)];
}

function streamCell(count: number): string {
  return `${count} stream${count > 1 ? 's' : ''}`;
}

function packetCell({ direction, flows, size }: DataCell): string {
  return `${direction === 'up' ? 'client → upstream' : 'upstream → client'}, ${flows} session${flows > 1 ? 's' : ''}, ${size} B`;
}
