/** Kinds of measurement that several benchmarks share. */
import type { Kind } from './benchmark.ts';
import { busy, fixed, percent, thousands } from './format.ts';
import type { DataSample, MeetSample, TripSample } from './load.ts';
import { bytesEach, kernelBytesEach, type MemorySample } from './memory.ts';

/** What UDP relays are compared by. */
export function dataKind(references: readonly string[], more: string): Kind<DataSample> {
  return {
    key: 'data',
    title: 'Data path',
    note: `Packets that reached the right sink whole. At most 128 are under way, so that a relay always has work and loses nothing. CPU is utime + stime of the relay and its children. A relay in bold was less than 90 % busy: others used its core, or the load did not keep up. ${more}`,
    references,
    plot: 'more is better',
    columns: [
      { heading: 'delivered/s', value: perSecond, show: thousands, compared: true },
      { heading: 'CPU s per million', value: cpuPerMillion, show: fixed(2) },
      { heading: 'relay busy', value: relayBusy, show: (share) => (share === 0 ? '–' : busy(share)) },
      { heading: 'lost', value: lostShare, show: percent },
      { heading: 'load idle', value: ({ loadIdle }) => loadIdle, show: percent },
    ],
  };
}

export function tripKind(
  key: string,
  title: string,
  references: readonly string[],
  note: string,
  digits = 0,
): Kind<TripSample> {
  return {
    key,
    title,
    note,
    references,
    plot: 'less is better',
    columns: [
      { heading: 'p50 µs', value: ({ p50 }) => p50, show: fixed(digits), compared: true },
      { heading: 'p99 µs', value: ({ p99 }) => p99, show: fixed(digits), compared: true },
      { heading: 'lost', value: ({ lost }) => lost, show: thousands },
    ],
  };
}

export function meetKind(what: string, references: readonly string[], note: string): Kind<MeetSample> {
  return {
    key: 'meet',
    title: `New ${what}`,
    note,
    references,
    plot: 'more is better',
    columns: [
      { heading: `${what}/s`, value: ({ met, seconds }) => met / seconds, show: thousands, compared: true },
      {
        heading: `${what} per core-second`,
        value: ({ met, relayCpu }) => met / relayCpu,
        show: thousands,
        compared: true,
      },
      { heading: 'relay busy', value: ({ relayCpu, seconds }) => relayCpu / seconds, show: percent },
    ],
  };
}

export function memoryKind(what: string, references: readonly string[], more: string): Kind<MemorySample> {
  return {
    key: 'memory',
    title: `Memory per ${what}`,
    note: `A fresh process, idle, then with so many of them: growth of its Pss and its children's. The kernel's share (sockets, files, epoll, conntrack) is the growth of its slabs, machine-wide, and comes on top; whoever else runs is in it. ${more}`,
    references,
    plot: 'less is better',
    columns: [
      { heading: 'bytes each', value: bytesEach, show: thousands, compared: true },
      { heading: 'kernel bytes each', value: kernelBytesEach, show: thousands },
      { heading: 'idle MB', value: ({ idle }) => idle / 1024, show: fixed(1) },
      { heading: 'count', value: ({ count }) => count, show: thousands },
    ],
  };
}

export const perSecond = (sample: DataSample): number => sample.delivered / sample.seconds;
export const cpuPerMillion = (sample: DataSample): number => (sample.relayCpu / sample.delivered) * 1e6;
/** Packets per second of the relay's CPU: steadier than packets per second where others use the machine too. */
export const perCpuSecond = (sample: DataSample): number => sample.delivered / sample.relayCpu;
export const relayBusy = (sample: DataSample): number => sample.relayCpu / sample.seconds;
export const lostShare = ({ sent, delivered }: DataSample): number => Math.max(0, 1 - delivered / sent);
