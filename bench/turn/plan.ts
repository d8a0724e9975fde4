import { parseArgs } from 'node:util';
import type { ContestantName } from './contestant.ts';
import type { DataCell } from './load.ts';

/** What one run measures, and how long. */
export interface Plan {
  readonly quick: boolean;
  readonly forceLoopback: boolean;
  readonly contestants: readonly ContestantName[];
  /** Counted rounds; one more goes first and is thrown away. */
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  readonly cells: readonly DataCell[];
  readonly rttRate: number;
  readonly allocations: number;
  readonly memoryRounds: number;
  /** Folder of the results; undefined = they are only printed. */
  readonly out: string | undefined;
}

export const USAGE = `usage: npm run bench -- turn [options]
  --quick           a few seconds, to see that all of it runs; its figures mean little and are not kept
  --only A,B        contestants: culvert, coturn, bare
  --rounds N        counted rounds (5)
  --seconds S       length of each measurement (1)
  --loopback        no network namespaces
  --out FOLDER      where the results go (bench/results)`;

const ALL: readonly ContestantName[] = ['culvert', 'coturn', 'bare'];

/** The arguments → a plan, or what is wrong with them. */
export function planOf(args: string[]): Plan | string {
  let given: ReturnType<typeof parse>;
  try {
    given = parse(args);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const names = given.only?.split(',') ?? ALL;
  const unknown = names.find((name) => !ALL.some((known) => known === name));
  if (unknown !== undefined) return `no contestant "${unknown}"`;
  const rounds = Number(given.rounds ?? (given.quick ? 1 : 5));
  const seconds = Number(given.seconds ?? (given.quick ? 0.2 : 1));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) return '--rounds takes 1 to 100';
  if (!(seconds >= 0.1 && seconds <= 60)) return '--seconds takes 0.1 to 60';
  return {
    quick: given.quick,
    forceLoopback: given.loopback,
    contestants: ALL.filter((name) => names.includes(name)),
    rounds,
    seconds,
    cells: given.quick ? QUICK_CELLS : ALL_CELLS,
    rttRate: 2000,
    allocations: given.quick ? 200 : 10_000,
    memoryRounds: given.quick ? 1 : 3,
    out: given.out ?? (given.quick ? undefined : 'bench/results'),
  };
}

function parse(args: string[]) {
  return parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      loopback: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      out: { type: 'string' },
    },
  }).values;
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
