import { busy, head, percent, ratio, ratioOf, table, targetTable, thousands } from '../lib/format.ts';
import { cpuPerMillion, lostShare, perCpuSecond, perSecond, relayBusy } from '../lib/kinds.ts';
import { plotBars } from '../lib/plot.ts';
import { median } from '../lib/stats.ts';
import type { ContestantName } from './contestant.ts';
import {
  cpuPerThousand,
  cyclesPerCore,
  cyclesPerSecond,
  type Results,
  rssPerThousand,
  slabPerThousand,
} from './results.ts';
import { targetsOf } from './targets.ts';

const ORDER = ['culvert', 'coturn', 'bare'] as const;

/** The results as Markdown: machine, tables, targets. */
export function report(results: Results): string {
  const sections = [
    head('TURN benchmark', results, ORDER),
    targetTable(targetsOf(results)),
    dataTable(results),
    loadTable(results),
    rttTable(results),
    churnTable(results),
    memoryTable(results),
    profileTables(results),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function dataTable({ data }: Results): string {
  const rows = data.flatMap(({ cell, samples }) =>
    names(samples).map((name) => {
      const own = samples[name] ?? [];
      return [
        `${cell.direction === 'up' ? 'client → peer' : 'peer → client'}${cell.mode === 'flood' ? ', flood' : ''}`,
        String(cell.flows),
        `${cell.size} B`,
        name,
        thousands(median(own.map(perSecond))),
        ratio(samples, name, 'coturn', perSecond),
        ratio(samples, name, 'bare', perSecond),
        median(own.map(cpuPerMillion)).toFixed(2),
        ratio(samples, name, 'bare', perCpuSecond),
        busy(median(own.map(relayBusy))),
        percent(median(own.map(lostShare))),
      ];
    }),
  );
  const columns = [
    'direction',
    'flows',
    'payload',
    'relay',
    'delivered/s',
    'to coturn',
    'to bare',
    'CPU s per million',
    'per CPU s, to bare',
    'relay busy',
    'lost',
  ];
  return [
    '## Data path',
    '',
    'ChannelData, packets that reached the sink whole. At most 128 packets are under way, so that the relay always has work and loses nothing; "flood" offers more than it can do. CPU is utime + stime of the relay process. A relay in bold was less than 90 % busy: others used its core, or the load did not keep up.',
    '',
    table(columns, rows),
  ].join('\n');
}

/** Whether the load could have been the limit. */
function loadTable({ data }: Results): string {
  const rows = data
    .filter(({ cell }) => cell.mode === 'window')
    .map(({ cell, alone, samples }) => {
      const fastest = Math.max(...names(samples).map((name) => median((samples[name] ?? []).map(perSecond))));
      const idle = names(samples).map(
        (name) => `${name} ${percent(median((samples[name] ?? []).map(({ loadIdle }) => loadIdle)))}`,
      );
      const margin = perSecond(alone) / fastest;
      return [
        cell.direction,
        String(cell.flows),
        `${cell.size} B`,
        thousands(perSecond(alone)),
        `${margin.toFixed(1)}×${margin < 2 ? ' (below 2×)' : ''}`,
        idle.join(', '),
      ];
    });
  return [
    '### The load alone',
    '',
    'Its two sides connected to each other, sending and receiving on its one core: more work for it than with a relay between, whose core then delivers to the sink.',
    '',
    table(['direction', 'flows', 'payload', 'packets/s', 'to the fastest relay', 'load idle during the runs'], rows),
  ].join('\n');
}

function rttTable({ rtt }: Results): string {
  const rows = names(rtt.samples).map((name) => {
    const own = rtt.samples[name] ?? [];
    const at = (pick: 'p50' | 'p99') => median(own.map((sample) => sample[pick])).toFixed(0);
    return [
      name,
      at('p50'),
      at('p99'),
      ratio(rtt.samples, name, 'coturn', ({ p50 }) => p50),
      ratio(rtt.samples, name, 'coturn', ({ p99 }) => p99),
      String(own.reduce((sum, { lost }) => sum + lost, 0)),
    ];
  });
  return [
    '## Round trips',
    '',
    `160 B through the relay to the peer and back, ${rtt.rate} a second, the load spinning: only the relay's wake-ups are in it.`,
    '',
    table(['relay', 'p50 µs', 'p99 µs', 'p50 to coturn', 'p99 to coturn', 'lost'], rows),
  ].join('\n');
}

function churnTable({ churn }: Results): string {
  const rows = names(churn).map((name) => {
    const own = churn[name] ?? [];
    return [
      name,
      thousands(median(own.map(cyclesPerSecond))),
      ratio(churn, name, 'coturn', cyclesPerSecond),
      median(own.map(cpuPerThousand)).toFixed(0),
      thousands(median(own.map(cyclesPerCore))),
      ratio(churn, name, 'coturn', cyclesPerCore),
      percent(median(own.map(({ relayCpu, seconds }) => relayCpu / seconds))),
      percent(median(own.map(({ loadCpu, seconds }) => loadCpu / seconds))),
      String(own.reduce((sum, { failed }) => sum + failed, 0)),
    ];
  });
  const columns = [
    'relay',
    'cycles/s',
    'to coturn',
    'CPU ms per 1000',
    'cycles per core-second',
    'to coturn',
    'relay busy',
    'load busy',
    'failed',
  ];
  return [
    '## Allocations',
    '',
    'One cycle: Allocate, 401, Allocate with long-term credentials, ChannelBind, Refresh 0, each from a new 5-tuple, 200 at a time.',
    '',
    table(columns, rows),
  ].join('\n');
}

function memoryTable({ memory, heap }: Results): string {
  const rows = names(memory).map((name) => {
    const own = memory[name] ?? [];
    return [
      name,
      `${(median(own.map(({ idleRss }) => idleRss)) / 1024).toFixed(1)} MB`,
      `${(median(own.map(rssPerThousand)) / 1024).toFixed(1)} MB`,
      `${(median(own.map(slabPerThousand)) / 1024).toFixed(1)} MB`,
      thousands(median(own.map(({ allocations }) => allocations))),
    ];
  });
  return [
    '## Memory',
    '',
    "A fresh process, and with one channel per allocation. The kernel's share (sockets, files, epoll) is the growth of its slabs, machine-wide, and comes on top.",
    '',
    table(['relay', 'RSS idle', 'RSS per 1000 allocations', 'kernel per 1000', 'allocations'], rows),
    ...(heap
      ? [
          '',
          `Culvert's service by itself keeps ${heap.heapPerAllocation} bytes of heap per allocation with one channel; the rest is sockets and flows.`,
        ]
      : []),
  ].join('\n');
}

function profileTables({ profiles }: Results): string {
  if (profiles.length === 0) return '';
  const tables = profiles.map(({ load, top }) => {
    const rows = top.map(({ share, where }) => [percent(share), `\`${where}\``]);
    return `### ${load}\n\n${table(['own time', 'function'], rows)}`;
  });
  return `## Where Culvert's time goes\n\nV8's samples; \`(program)\` is native code outside JavaScript: libuv, the kernel.\n\n${tables.join('\n\n')}`;
}

/** The paced cells of the data path and the allocations, under coturn. */
export function plot(results: Results): string {
  const bars = <Sample>(
    samples: Partial<Record<ContestantName, Sample[]>>,
    value: (sample: Sample) => number,
    unit: string,
  ) =>
    names(samples).map((name) => ({
      name,
      ratio: ratioOf(samples, name, 'coturn', value),
      note: `${thousands(median((samples[name] ?? []).map(value)))} ${unit}`,
      isOurs: name === 'culvert',
    }));
  const cells = results.data.filter(({ cell }) => cell.mode === 'window');
  return plotBars('TURN: Culvert beside others', `${results.date.slice(0, 10)}; coturn = 1, more is better`, [
    ...cells.map(({ cell, samples }) => ({
      title: `${cell.direction === 'up' ? 'client → peer' : 'peer → client'}, ${cell.flows} flow${cell.flows > 1 ? 's' : ''}, ${cell.size} B`,
      bars: bars(samples, perSecond, 'delivered/s'),
    })),
    { title: 'Allocations', bars: bars(results.churn, cyclesPerCore, 'cycles per core-second') },
  ]);
}

/** Those that have figures, in the order of the tables. */
function names(of: Partial<Record<ContestantName, unknown>>): ContestantName[] {
  return ORDER.filter((name) => of[name] !== undefined);
}
