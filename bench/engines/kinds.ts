import type { Kind } from '../lib/benchmark.ts';
import { busy, fixed, thousands } from '../lib/format.ts';
import { tripKind } from '../lib/kinds.ts';
import type { FrameSample } from './frames.ts';

export const perSecond = ({ delivered, seconds }: FrameSample): number => delivered / seconds;
const corePerMillion = ({ coreBusy, delivered }: FrameSample): number => (coreBusy / delivered) * 1e6;
const processPerMillion = ({ relayCpu, delivered }: FrameSample): number => (relayCpu / delivered) * 1e6;

/** `key` and `title` of the service: figures of one are not beside those of another. */
export function framesKind(key: string, title: string, references: readonly string[], more: string): Kind<FrameSample> {
  return {
    key,
    title,
    note: `Frames that came out of the relay as they should: addresses, ports, length and framing of each one, and every byte of one in 16,384. ${more}`,
    references,
    plot: 'more is better',
    columns: [
      { heading: 'delivered/s', value: perSecond, show: thousands, compared: true },
      { heading: 'core s per million', value: corePerMillion, show: fixed(2) },
      {
        heading: 'process s per million',
        value: processPerMillion,
        show: (value) => (value === 0 ? '–' : fixed(2)(value)),
      },
      { heading: 'core busy', value: ({ coreBusy, seconds }) => coreBusy / seconds, show: busy },
      {
        heading: 'under way',
        value: ({ window }) => window,
        show: (window) => (window === 0 ? 'flood' : String(window)),
      },
      { heading: 'offered/s', value: ({ sent, seconds }) => sent / seconds, show: thousands },
    ],
  };
}

/** Of the program and its maps alone, by test runs: no frame is sent. */
export interface MapSample {
  /** Nanoseconds a packet. */
  readonly one: number;
  readonly thousand: number;
  /** Of one flow of a million, and of all of them in random order: the whole program, and finding the flow alone. */
  readonly full: number;
  readonly million: number;
  readonly lookup: number;
  /** Flows a second into the kernel's map: many a call, and as the engine adds them, one by one with all that it keeps. */
  readonly batched: number;
  readonly engine: number;
}

export const maps: Kind<MapSample> = {
  key: 'maps',
  title: 'Many flows',
  note: 'BPF_PROG_TEST_RUN on packets of as many flows in random order, which no cache foresees; what it costs to put the packet back taken off; the next hop is looked up anew once a second and flow, as the engine has it. Installs: in batches of 4,096 into the map alone, and one by one as the engine does.',
  references: [],
  columns: [
    { heading: 'ns, 1 flow', value: ({ one }) => one, show: fixed(0) },
    { heading: '1,000 flows', value: ({ thousand }) => thousand, show: fixed(0) },
    { heading: '1 of 1,048,576', value: ({ full }) => full, show: fixed(0) },
    { heading: 'all of 1,048,576', value: ({ million }) => million, show: fixed(0) },
    { heading: 'finding them alone', value: ({ lookup }) => lookup, show: fixed(0) },
    { heading: 'installs/s in batches', value: ({ batched }) => batched, show: thousands },
    { heading: "the engine's", value: ({ engine }) => engine, show: thousands },
  ],
};

export const latencies = tripKind(
  'latency',
  'Added latency',
  ['kernel', 'coturn'],
  "From the load to its sink, one way, stamped and read in the kernel, at a fixed rate. The relay's devices receive in the sender's context, as with an interrupt (no threads); a process has to be woken on the other core.",
  2,
);
