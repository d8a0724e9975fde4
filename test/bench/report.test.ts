import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DataSample } from '../../bench/lib/load.ts';
import { report } from '../../bench/turn/report.ts';
import type { Results } from '../../bench/turn/results.ts';
import { targetsOf } from '../../bench/turn/targets.ts';

test('a target is met, missed or not measured', () => {
  const [path, churn, idle, heap] = targetsOf(resultsOf({ culvert: 80_000, idleRss: 60 * 1024 }));
  assert.deepEqual([path?.got, path?.met], ['0.80×', false]);
  assert.deepEqual([churn?.got, churn?.met], [undefined, false]);
  assert.deepEqual([idle?.got, idle?.met], ['60.0 MB', true]);
  assert.deepEqual([heap?.got, heap?.met], ['1025 B', false]);
});

test('floods do not decide the target of the data path', () => {
  const results = resultsOf({ culvert: 95_000, idleRss: 1 });
  const [data] = results.data;
  assert.ok(data !== undefined);
  const flood = {
    ...data,
    cell: { ...data.cell, mode: 'flood' as const },
    samples: { culvert: [sample(1)], bare: [sample(100)] },
  };
  const [path] = targetsOf({ ...results, data: [data, flood] });
  assert.equal(path?.got, '0.95×');
});

test('the report names machine, contestants, absolute figures, ratios and faults', () => {
  const text = report(resultsOf({ culvert: 80_000, idleRss: 60 * 1024 }));
  assert.match(text, /A processor, 2 cores/);
  assert.match(text, /\| client → peer \| 1 \| 160 B \| culvert \| 80,000 \| – \| 0\.80× \| 12\.50 \|/);
  assert.match(text, /\*\*Fault\.\*\* coturn: turnserver is not installed/);
  assert.match(text, /\*\*missed\*\*/);
  assert.match(text, /\| 50 % \| `authenticate src\/service\/turn\/auth.ts:1` \|/);
  assert.doesNotMatch(text, /NaN|undefined|Infinity/);
});

function resultsOf({ culvert, idleRss }: { culvert: number; idleRss: number }): Results {
  return {
    date: '2026-01-02T03:04:05.678Z',
    machine: { cpu: 'A processor', cores: 2, memoryGiB: 4, kernel: '6.1', node: 'v24', busyBefore: 0.01, nice: 0 },
    path: 'loopback',
    cores: { load: 0, relay: 1 },
    rounds: 1,
    seconds: 1,
    quick: false,
    versions: { culvert: '1', bare: '2' },
    faults: ['coturn: turnserver is not installed'],
    data: [
      {
        cell: { direction: 'up', flows: 1, size: 160, mode: 'window' },
        alone: sample(500_000),
        samples: { culvert: [sample(culvert)], bare: [sample(100_000)] },
      },
    ],
    rtt: { rate: 2000, samples: {} },
    churn: {},
    memory: { culvert: [{ allocations: 1000, idleRss, heldRss: idleRss + 2048, slab: 1024, relayCpuMs: 100 }] },
    heap: { allocations: 1000, heapPerAllocation: 1025 },
    profiles: [{ load: 'allocations', top: [{ share: 0.5, where: 'authenticate src/service/turn/auth.ts:1' }] }],
  };
}

function sample(delivered: number): DataSample {
  return { seconds: 1, sent: delivered, delivered, alien: 0, lost: 0, relayCpu: 1, loadIdle: 0.5 };
}
