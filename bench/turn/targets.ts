import { times } from '../lib/format.ts';
import { perSecond } from '../lib/kinds.ts';
import { median, medianRatio } from '../lib/stats.ts';
import { atLeast, atMost, type Target, target } from '../lib/targets.ts';
import { cyclesPerCore, type Results } from './results.ts';

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
    target('RSS idle', '≤ 70 MB', atMost(IDLE_RSS_KB), idle ? median(idle) : undefined, megabytes),
    target(
      'heap of the service per allocation with one channel',
      '≤ 1 KB',
      atMost(HEAP_BYTES),
      results.heap?.heapPerAllocation,
      bytes,
    ),
  ];
}

const bytes = (value: number) => `${value} B`;
const megabytes = (kilobytes: number) => `${(kilobytes / 1024).toFixed(1)} MB`;
