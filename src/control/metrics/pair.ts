import type { MetricFamily } from './exposition.ts';
import { collectService, family, type ServiceMetrics, sample } from './relay.ts';

export interface PairMetrics extends ServiceMetrics {
  readonly open: number;
  readonly halfOpen: number;
}

export function collectPair(metrics: PairMetrics): MetricFamily[] {
  const { open, halfOpen } = metrics;
  return [
    ...collectService(metrics),
    family('culvert_pair_channels', 'gauge', 'Pairs, and halves that wait for their second client.', [
      sample({ state: 'open' }, open),
      sample({ state: 'half_open' }, halfOpen),
    ]),
  ];
}
