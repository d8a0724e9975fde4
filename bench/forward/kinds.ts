import type { Kind } from '../lib/benchmark.ts';
import { fixed, percent, thousands } from '../lib/format.ts';
import { dataKind, memoryKind, tripKind } from '../lib/kinds.ts';
import type { ConnectSample, StreamSample } from '../lib/load.ts';

export const RATE = 2000;

export const gigabits = ({ bytes, seconds }: StreamSample): number => (bytes * 8) / seconds / 1e9;
export const cpuPerGigabyte = ({ relayCpu, bytes }: StreamSample): number => relayCpu / (bytes / 1e9);

export const perSecond = ({ connections: made, seconds }: ConnectSample): number => made / seconds;

/** TCP throughput. A part of the kernel has no CPU time that could be charged to it. */
export const streams: Kind<StreamSample> = {
  key: 'stream',
  title: 'TCP throughput',
  note: "Client → upstream. The load sends one megabyte over and over and has the kernel throw away what arrives, so that it is no bottleneck; a sample of the bytes is compared. CPU s per GB: utime + stime of the relay and its children; of nftables and of direct it is none, theirs is the kernel's on the load's core.",
  references: ['socat', 'haproxy-auto'],
  plot: 'more is better',
  columns: [
    { heading: 'Gbit/s', value: gigabits, show: fixed(2), compared: true },
    {
      heading: 'CPU s per GB',
      value: cpuPerGigabyte,
      show: (value) => (value === 0 ? '–' : fixed(2)(value)),
      compared: true,
    },
    { heading: 'relay busy', value: ({ relayCpu, seconds }) => relayCpu / seconds, show: percent },
    { heading: 'load idle', value: ({ loadIdle }) => loadIdle, show: percent },
  ],
};

export const connections: Kind<ConnectSample> = {
  key: 'connect',
  title: 'TCP connections',
  note: 'Connect, 64 bytes there, 64 bytes back, the upstream closes; 64 at a time.',
  references: ['socat', 'haproxy-auto'],
  plot: 'more is better',
  columns: [
    {
      heading: 'connections/s',
      value: perSecond,
      show: thousands,
      compared: true,
    },
    {
      heading: 'CPU ms per 1000',
      value: ({ relayCpu, connections: made }) => (relayCpu / made) * 1e6,
      show: (value) => (value === 0 ? '–' : fixed(0)(value)),
    },
    { heading: 'relay busy', value: ({ relayCpu, seconds }) => relayCpu / seconds, show: percent },
    { heading: 'load busy', value: ({ loadCpu, seconds }) => loadCpu / seconds, show: percent },
  ],
};

export const tcpTrips = tripKind(
  'trip',
  'TCP round trips',
  ['socat', 'haproxy-auto'],
  `160 B there and back on one connection, ${RATE} a second, the load spinning. Direct is without a relay: what is above it was added.`,
);

export const idle = memoryKind('idle TCP connection', ['haproxy-auto', 'socat'], '');

export const packets = dataKind(
  ['socat', 'nginx'],
  "nftables runs on the sender's core, which is the load's; socat takes a process for each flow.",
);

export const udpTrips = tripKind(
  'rtt',
  'UDP round trips',
  ['socat', 'nginx'],
  `160 B there and back, ${RATE} a second, the load spinning. Direct is without a relay: what is above it was added.`,
);
