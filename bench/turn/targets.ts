import { median, medianRatio } from '../lib/stats.ts';
import { cyclesPerCore, perSecond, type Results } from './results.ts';

export interface Target {
  readonly what: string;
  readonly wanted: string;
  /** undefined: not measured in this run. */
  readonly got: string | undefined;
  readonly met: boolean;
}

const IDLE_RSS_KB = 70 * 1024;
const HEAP_BYTES = 1024;

/** The targets of the TURN service on the portable engine, against what was measured. */
export function targetsOf(results: Results): Target[] {
  const forwarding = results.data.flatMap(({ cell, samples: { culvert, bare } }) =>
    cell.mode === 'window' && culvert && bare ? medianRatio(culvert.map(perSecond), bare.map(perSecond)) : [],
  );
  const { culvert: churn, coturn: rival } = results.churn;
  const idle = results.memory.culvert?.map(({ idleRss }) => idleRss);
  return [
    target(
      'data path, worst cell, against bare node:dgram',
      '≥ 0.9×',
      atLeast(0.9),
      forwarding.length ? Math.min(...forwarding) : undefined,
      times,
    ),
    target(
      'allocations per core-second, against coturn',
      '≥ 1×',
      atLeast(1),
      churn && rival ? medianRatio(churn.map(cyclesPerCore), rival.map(cyclesPerCore)) : undefined,
      times,
    ),
    target('RSS idle', '≤ 70 MB', (value) => value <= IDLE_RSS_KB, idle ? median(idle) : undefined, megabytes),
    target(
      'heap of the service per allocation with one channel',
      '≤ 1 KB',
      (value) => value <= HEAP_BYTES,
      results.heap?.heapPerAllocation,
      bytes,
    ),
  ];
}

function target(
  what: string,
  wanted: string,
  meets: (value: number) => boolean,
  value: number | undefined,
  show: (value: number) => string,
): Target {
  if (value === undefined) return { what, wanted, got: undefined, met: false };
  return { what, wanted, got: show(value), met: meets(value) };
}

const atLeast = (least: number) => (value: number) => value >= least;
const bytes = (value: number) => `${value} B`;
const times = (value: number) => `${value.toFixed(2)}×`;
const megabytes = (kilobytes: number) => `${(kilobytes / 1024).toFixed(1)} MB`;
