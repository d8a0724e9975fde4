import type { EngineStats, SlowPathStats, TrafficCount } from '../../engine/engine.ts';
import type { Collector, MetricFamily, Sample } from './exposition.ts';

export interface EngineSource {
  readonly name: string;
  readonly mode: string;
  stats(): EngineStats;
}

/** What a service tells of itself; names in `drops` are few and fixed. */
export interface ServiceMetrics {
  readonly service: TrafficCount['service'];
  readonly clients: number;
  readonly drops: Iterable<readonly [string, number]>;
  /** What the service relayed itself, without a flow. */
  readonly traffic: readonly TrafficCount[];
}

export interface TurnMetrics extends ServiceMetrics {
  readonly allocations: number;
  readonly responses: readonly ResponseCount[];
}

interface ResponseCount {
  readonly method: string;
  readonly class: string;
  /** 0 for success. */
  readonly code: number;
  readonly count: number;
}

/** Which program runs. */
export function collectBuild(version: string): Collector {
  return () => [family('culvert_build_info', 'gauge', 'Version that runs.', [sample({ version }, 1)])];
}

/** What the engine moved by flows and what it dropped. */
export function collectEngine(engine: EngineSource): Collector {
  return () => {
    const { flows, traffic, drops, slowPath } = engine.stats();
    const datapath = engine.name;
    return [
      family('culvert_engine_info', 'gauge', 'Engine that runs, and how.', [
        sample({ engine: engine.name, mode: engine.mode }, 1),
      ]),
      ...trafficFamilies(traffic, datapath),
      family(
        'culvert_flows',
        'gauge',
        'Installed flows.',
        [...flows].map(([service, n]) => sample({ service, datapath }, n)),
      ),
      dropFamily([...drops].flatMap(([service, reasons]) => dropSamples(service, reasons))),
      ...(slowPath === undefined ? [] : slowPathFamilies(slowPath)),
    ];
  };
}

export function collectTurn(metrics: TurnMetrics): MetricFamily[] {
  const { allocations, responses } = metrics;
  return [
    ...collectService(metrics),
    family('culvert_turn_allocations', 'gauge', 'Live TURN allocations.', [sample({}, allocations)]),
    family(
      'culvert_turn_responses_total',
      'counter',
      'STUN and TURN responses; code 0 is success.',
      responses.map(({ method, class: kind, code, count }) =>
        sample({ method, class: kind, code: String(code) }, count),
      ),
    ),
  ];
}

/** What every service tells of itself. */
export function collectService({ service, clients, drops, traffic }: ServiceMetrics): MetricFamily[] {
  return [
    ...trafficFamilies(traffic, 'service'),
    dropFamily(dropSamples(service, drops)),
    family('culvert_clients', 'gauge', 'Clients that are served.', [sample({ service }, clients)]),
  ];
}

/** Addresses that are blocked, by hand or by rate. */
export function collectBlocks(count: () => number): Collector {
  return () => [family('culvert_blocked_addresses', 'gauge', 'Addresses that are blocked.', [sample({}, count())])];
}

function slowPathFamilies({ passes, refusedFlows, retakenFlows }: SlowPathStats): MetricFamily[] {
  return [
    family(
      'culvert_slow_path_packets_total',
      'counter',
      'Packets that the kernel passed to userspace, by reason; nothing of it is lost.',
      [...passes].flatMap(([service, reasons]) => dropSamples(service, reasons)),
    ),
    family(
      'culvert_slow_path_flows_total',
      'counter',
      'Flows that the kernel did not take, by reason.',
      [...refusedFlows].map(([reason, count]) => sample({ reason }, count)),
    ),
    family(
      'culvert_slow_path_flows_retaken_total',
      'counter',
      'Flows that the kernel took after it had refused them.',
      [sample({}, retakenFlows)],
    ),
  ];
}

function trafficFamilies(traffic: readonly TrafficCount[], datapath: string): MetricFamily[] {
  const of = (read: (count: TrafficCount) => number) =>
    traffic.map((count) => sample({ service: count.service, direction: count.direction, datapath }, read(count)));
  return [
    family(
      'culvert_packets_total',
      'counter',
      'Relayed packets; datapath is the engine, or "service" without a flow.',
      of((count) => count.packets),
    ),
    family(
      'culvert_bytes_total',
      'counter',
      'Relayed payload bytes.',
      of((count) => count.bytes),
    ),
  ];
}

function dropFamily(samples: readonly Sample[]): MetricFamily {
  return family('culvert_drops_total', 'counter', 'Dropped or refused packets, by reason.', samples);
}

function dropSamples(service: string, reasons: Iterable<readonly [string, number]>): Sample[] {
  return [...reasons].map(([reason, count]) => sample({ service, reason }, count));
}

export function family(
  name: string,
  type: MetricFamily['type'],
  help: string,
  samples: readonly Sample[],
): MetricFamily {
  return { name, help, type, samples };
}

export function sample(labels: Sample['labels'], value: number): Sample {
  return { labels, value };
}
