import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward } from '../../bench/forward/forward.ts';
import { connections, streams } from '../../bench/forward/kinds.ts';
import type { Benchmark, Kind, Results } from '../../bench/lib/benchmark.ts';
import type { ConnectSample, DataSample, SpreadSample, StreamSample } from '../../bench/lib/load.ts';
import { plot, report } from '../../bench/lib/report.ts';
import { pair } from '../../bench/pair/pair.ts';
import { wireguard } from '../../bench/wireguard/wireguard.ts';

test('forward: its targets are met, missed or not measured by the rounds, not by the medians', () => {
  const rates = { culvert: [8, 4], socat: [4, 2], 'haproxy-auto': [10, 5] };
  const found = forward.targets(resultsOf(forward, [{ kind: 'stream', cell: '1 stream', samples: gigabits(rates) }]));
  assert.deepEqual(
    found.map(({ what, got, met }) => [what, got, met]),
    [
      ['TCP throughput, 1 stream, against socat', '2.00×', true],
      ['TCP throughput, 1 stream, against haproxy-auto', '0.80×', false],
    ],
  );
});

test('forward: a rival that is missing leaves its target open', () => {
  const samples = gigabits({ culvert: [8], socat: [4] });
  const [socat, haproxy] = forward.targets(resultsOf(forward, [{ kind: 'stream', cell: '1 stream', samples }]));
  assert.equal(socat?.met, true);
  assert.deepEqual([haproxy?.got, haproxy?.met], [undefined, false]);
});

test('pair: the worst cell counts', () => {
  const cell = (name: string, ours: number) => ({
    kind: 'data',
    cell: name,
    samples: { culvert: [packets(ours)], bare: [packets(100)] },
  });
  const [delivered] = pair.targets(resultsOf(pair, [cell('a', 95), cell('b', 80)]));
  assert.deepEqual([delivered?.got, delivered?.met], ['0.80×', false]);
});

test('wireguard: one packet too many, in whatever cell, misses the target', () => {
  const spread = (wrong: number): SpreadSample => ({ sent: 200, right: 200, wrong });
  const cell = (name: string, wrong: number) => ({
    kind: 'spread',
    cell: name,
    samples: { culvert: [spread(0)], 'culvert-open': [spread(wrong)], flooding: [spread(1200)] },
  });
  const [clean] = wireguard.targets(resultsOf(wireguard, [cell('2 peers', 0)]));
  const [leaky] = wireguard.targets(resultsOf(wireguard, [cell('2 peers', 0), cell('8 peers', 2)]));
  assert.deepEqual([clean?.got, clean?.met], ['1.00', true]);
  assert.deepEqual([leaky?.got, leaky?.met], ['1.01', false]);
});

test('the report has machine, versions, targets, absolute figures and ratios to each reference, and faults', () => {
  const made: ConnectSample = { seconds: 1, connections: 5000, failed: 0, relayCpu: 0.5, loadCpu: 0.5 };
  const results = resultsOf(forward, [
    { kind: 'stream', cell: '1 stream', samples: gigabits({ culvert: [8], socat: [4] }) },
    { kind: 'connect', cell: '64 at a time', samples: { culvert: [made] } },
  ]);
  const text = report(forward, [streams, connections] as Kind<unknown>[], results);
  assert.match(text, /^# Port forward benchmark, 2026-01-02 03:04 UTC\n/);
  assert.match(text, /- culvert: 1\.2\.3\n/);
  assert.match(text, /\*\*Fault\.\*\* haproxy-auto: haproxy is not installed/);
  assert.match(text, /\| 1 stream \| \*\*culvert\*\* \| 8\.00 \| 2\.00× \| 1\.00 \| 1\.00× \|/);
  assert.match(text, /\| 64 at a time \| \*\*culvert\*\* \| 5,000 \| 100 \|/);
  assert.doesNotMatch(text, /NaN|undefined|Infinity/);
});

test('the plot has a group for each cell, under the first reference that was measured', () => {
  const samples = gigabits({ culvert: [8], 'haproxy-auto': [4] });
  const results = resultsOf(forward, [{ kind: 'stream', cell: '1 stream', samples }]);
  const svg = plot(forward, [streams] as Kind<unknown>[], results);
  assert.match(svg, /TCP throughput, 1 stream \(haproxy-auto = 1; more is better\)/);
  assert.match(svg, />2\.00× {2}8\.00 Gbit\/s</);
});

function resultsOf({ name }: Benchmark, trials: Results['trials']): Results {
  return {
    benchmark: name,
    date: '2026-01-02T03:04:05.678Z',
    machine: { cpu: 'A processor', cores: 2, memoryGiB: 4, kernel: '6.1', node: 'v24', busyBefore: 0.01, nice: 0 },
    path: 'loopback',
    cores: { load: 0, relay: 1 },
    rounds: 1,
    seconds: 1,
    quick: false,
    versions: { culvert: '1.2.3' },
    faults: ['haproxy-auto: haproxy is not installed'],
    trials,
  };
}

function gigabits(rates: Record<string, number[]>): Record<string, StreamSample[]> {
  return Object.fromEntries(
    Object.entries(rates).map(([name, values]) => [
      name,
      values.map((value) => ({
        seconds: 1,
        bytes: value * 1.25e8,
        altered: 0,
        relayCpu: value / 8,
        loadCpu: 0.5,
        loadIdle: 0.5,
      })),
    ]),
  );
}

function packets(delivered: number): DataSample {
  return { seconds: 1, sent: delivered, delivered, alien: 0, lost: 0, relayCpu: 1, loadIdle: 0.5 };
}
