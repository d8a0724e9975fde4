import type { MachineFacts } from '../lib/machine.ts';
import type { ContestantName } from './contestant.ts';
import type { ChurnSample, DataCell, DataSample, RttSample } from './load.ts';
import type { HeapSample, MemorySample } from './memory.ts';
import type { Profile } from './profile.ts';

/** Samples by contestant, one a round, in order: round n of one stands beside round n of the others. */
export type Rounds<Sample> = Partial<Record<ContestantName, Sample[]>>;

/** Everything that was measured, raw; the tables are made from it. Kept as JSON beside them. */
export interface Results {
  readonly date: string;
  readonly machine: MachineFacts;
  readonly path: string;
  readonly cores: { readonly load: number; readonly relay: number };
  readonly rounds: number;
  readonly seconds: number;
  readonly quick: boolean;
  readonly versions: Partial<Record<ContestantName, string>>;
  /** Why a contestant is not in the tables, or what went wrong with it. */
  readonly faults: string[];
  readonly data: { readonly cell: DataCell; readonly alone: DataSample; readonly samples: Rounds<DataSample> }[];
  readonly rtt: { readonly rate: number; readonly samples: Rounds<RttSample> };
  readonly churn: Rounds<ChurnSample>;
  readonly memory: Rounds<MemorySample>;
  /** Of Culvert's service alone. */
  heap: HeapSample | undefined;
  readonly profiles: Profile[];
}

export const perSecond = (sample: DataSample): number => sample.delivered / sample.seconds;
export const cpuPerMillion = (sample: DataSample): number => (sample.relayCpu / sample.delivered) * 1e6;
export const cyclesPerSecond = (sample: ChurnSample): number => sample.cycles / sample.seconds;
/** Packets per second of the relay's CPU: steadier than packets per second where others use the machine too. */
export const perCpuSecond = (sample: DataSample): number => sample.delivered / sample.relayCpu;
export const relayBusy = (sample: DataSample): number => sample.relayCpu / sample.seconds;
/** What one core would do if the relay had it to itself: the fair figure, whoever else was on the machine. */
export const cyclesPerCore = (sample: ChurnSample): number => sample.cycles / sample.relayCpu;
/** Milliseconds per thousand cycles. */
export const cpuPerThousand = (sample: ChurnSample): number => (sample.relayCpu / sample.cycles) * 1e6;
/** Kilobytes per thousand allocations. */
export const rssPerThousand = (sample: MemorySample): number =>
  ((sample.heldRss - sample.idleRss) / sample.allocations) * 1000;
export const slabPerThousand = (sample: MemorySample): number => (sample.slab / sample.allocations) * 1000;
