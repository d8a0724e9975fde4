import type { DataCell } from '../lib/load.ts';
import { type CommonPlan, planOf, usageOf } from '../lib/plan.ts';
import type { ContestantName } from './contestant.ts';

/** What one run measures, and how long. */
export interface Plan extends CommonPlan {
  readonly contestants: readonly ContestantName[];
  readonly cells: readonly DataCell[];
  readonly rttRate: number;
  readonly allocations: number;
  readonly memoryRounds: number;
}

const CHOICES = { name: 'turn', contestants: ['culvert', 'coturn', 'bare'], parts: ['all'] } as const;

export const USAGE = usageOf(CHOICES);

/** The arguments → a plan, or what is wrong with them. */
export function turnPlan(args: string[]): Plan | string {
  const plan = planOf(args, CHOICES);
  if (typeof plan === 'string') return plan;
  if (plan.engines.length > 1) return '--engines takes one here';
  return {
    ...plan,
    contestants: CHOICES.contestants.filter((name) => plan.contestants.includes(name)),
    cells: plan.quick ? QUICK_CELLS : ALL_CELLS,
    rttRate: 2000,
    allocations: plan.quick ? 200 : 10_000,
    memoryRounds: plan.quick ? 1 : 3,
  };
}

const QUICK_CELLS: readonly DataCell[] = [
  { direction: 'up', flows: 1, size: 160, mode: 'window' },
  { direction: 'down', flows: 64, size: 160, mode: 'window' },
];

const ALL_CELLS: readonly DataCell[] = [
  ...[160, 1200].flatMap((size) =>
    [1, 64].flatMap((flows) =>
      (['up', 'down'] as const).map((direction): DataCell => ({ direction, flows, size, mode: 'window' })),
    ),
  ),
  ...[1, 64].map((flows): DataCell => ({ direction: 'up', flows, size: 160, mode: 'flood' })),
];
