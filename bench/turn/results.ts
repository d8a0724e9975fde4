import type { RunFacts } from '../lib/format.ts';
import type { DataCell, DataSample, TripSample } from '../lib/load.ts';
import type { Rounds as RoundsOf } from '../lib/rounds.ts';
import type { ContestantName } from './contestant.ts';
import type { ChurnSample } from './load.ts';
import type { HeapSample, MemorySample } from './memory.ts';
import type { Profile } from './profile.ts';

export type Rounds<Sample> = RoundsOf<Sample, ContestantName>;

/** Everything that was measured, raw; the tables are made from it. Kept as JSON beside them. */
export interface Results extends RunFacts {
  readonly versions: Partial<Record<ContestantName, string>>;
  readonly faults: string[];
  readonly data: { readonly cell: DataCell; readonly alone: DataSample; readonly samples: Rounds<DataSample> }[];
  readonly rtt: { readonly rate: number; readonly samples: Rounds<TripSample> };
  readonly churn: Rounds<ChurnSample>;
  readonly memory: Rounds<MemorySample>;
  /** Of Culvert's service alone. */
  heap: HeapSample | undefined;
  readonly profiles: Profile[];
}

export const cyclesPerSecond = (sample: ChurnSample): number => sample.cycles / sample.seconds;
/** What one core would do if the relay had it to itself: the fair figure, whoever else was on the machine. */
export const cyclesPerCore = (sample: ChurnSample): number => sample.cycles / sample.relayCpu;
/** Milliseconds per thousand cycles. */
export const cpuPerThousand = (sample: ChurnSample): number => (sample.relayCpu / sample.cycles) * 1e6;
/** Kilobytes per thousand allocations. */
export const rssPerThousand = (sample: MemorySample): number =>
  ((sample.heldRss - sample.idleRss) / sample.allocations) * 1000;
export const slabPerThousand = (sample: MemorySample): number => (sample.slab / sample.allocations) * 1000;
