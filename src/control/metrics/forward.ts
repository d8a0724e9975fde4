import type { ForwardState } from '../../service/forward/forward-service.ts';
import type { UpstreamState } from '../../service/forward/upstream-state.ts';
import type { MetricFamily } from './exposition.ts';
import { collectService, family, type ServiceMetrics, sample } from './relay.ts';

export interface ForwardMetrics extends ServiceMetrics {
  readonly forwards: readonly ForwardState[];
}

/** Forwards are few and named by the configuration: their names are labels. */
export function collectForward(metrics: ForwardMetrics): MetricFamily[] {
  const { forwards } = metrics;
  return [
    ...collectService(metrics),
    family(
      'culvert_forward_in_use',
      'gauge',
      'Connections and UDP sessions of each forward.',
      forwards.map(({ name, inUse }) => sample({ forward: name }, inUse)),
    ),
    family(
      'culvert_forward_upstreams',
      'gauge',
      'Addresses of upstreams, by what their checks say: up (nobody checks them, too), down, or checking before the first answer.',
      forwards.flatMap(({ name, upstreams }) =>
        (['up', 'down', 'checking'] as const).map((state) =>
          sample({ forward: name, state }, upstreams.filter((upstream) => labelOf(upstream) === state).length),
        ),
      ),
    ),
    family(
      'culvert_forward_connects_total',
      'counter',
      'Connects to upstreams, by their outcome.',
      forwards.flatMap(({ name, counts }) => [
        sample({ forward: name, outcome: 'connected' }, counts.connected),
        sample({ forward: name, outcome: 'failed' }, counts.failed),
      ]),
    ),
  ];
}

function labelOf({ state }: UpstreamState): 'up' | 'down' | 'checking' {
  return state === 'unchecked' ? 'up' : state;
}
