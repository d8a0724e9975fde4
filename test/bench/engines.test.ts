// The load of the engines' benchmark counts what it should, and nothing else.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  bareRewrite,
  culvert,
  kernelForwarding,
  loadAlone,
  type ServiceName,
} from '../../bench/engines/contestants.ts';
import { engines } from '../../bench/engines/engines.ts';
import {
  closeFlows,
  type FrameCell,
  type FrameSample,
  loadFrames,
  type PlacedRelay,
} from '../../bench/engines/frames.ts';
import { report } from '../../bench/guard/guard.ts';
import { type Arena, openArena } from '../../bench/lib/arena.ts';
import type { Results } from '../../bench/lib/benchmark.ts';
import type { Contestant } from '../../bench/lib/relay.ts';
import { missing } from '../requirements.ts';

/** So few that a socket's default buffer takes all of them, and a veth's queue too: on a machine that stands still for a moment none is lost. */
const FRAMES = 40;
const paced: FrameCell = { direction: 'up', flows: 1, size: 160, mode: { rate: 2000 }, count: FRAMES };

describe('live frames and their sink', { skip: missing('cc', 'clang', 'netns', 'bpf', 'ffi') }, () => {
  let arena: Arena;
  const running: PlacedRelay[] = [];

  before(async () => {
    arena = (await openArena(false)).arena;
  });

  after(async () => {
    for (const relay of running) await relay.stop();
  });

  async function start(contestant: Contestant): Promise<PlacedRelay> {
    const relay = (await contestant.start(arena)) as PlacedRelay;
    running.push(relay);
    return relay;
  }

  function assertAll({ sent, delivered, alien, samples, altered }: FrameSample): void {
    assert.deepEqual({ sent, delivered, alien, altered }, { sent: FRAMES, delivered: FRAMES, alien: 0, altered: 0 });
    assert.equal(samples, 8);
  }

  test('without a relay every frame arrives, and has a latency', async () => {
    const sample = await loadFrames(await start(loadAlone()), paced, 0.1);
    assertAll(sample);
    assert.equal(sample.trips, FRAMES);
    assert.ok(sample.p50 !== undefined && sample.p99 !== undefined && sample.p50 > 0 && sample.p99 >= sample.p50);
  });

  test('through the kernel and through the bare rewrite every frame arrives, of many flows and large ones too', async () => {
    for (const relay of [await start(kernelForwarding()), await start(bareRewrite())]) {
      assertAll(await loadFrames(relay, paced, 0.1));
      assertAll(await loadFrames(relay, { ...paced, flows: 20, size: 1200 }, 0.1));
    }
  });

  for (const [service, engine] of [
    ['turn', 'xdp'],
    ['wireguard', 'xdp'],
    ['pair', 'batched'],
    ['forward', 'portable'],
  ] as const satisfies (readonly [ServiceName, string])[]) {
    test(`${service} on ${engine}: both ways, what comes out is what should`, async () => {
      const relay = await start(culvert(service, engine));
      assertAll(await loadFrames(relay, { ...paced, flows: 8 }, 0.1));
      assertAll(await loadFrames(relay, { ...paced, flows: 8, direction: 'down' }, 0.1));
    });
  }

  test('what comes out otherwise than it should is no delivery', async () => {
    const relay = await start(bareRewrite());
    const [line = ''] = relay.flows?.(1, 'up') ?? [];
    const expecting = (text: string): PlacedRelay => ({ ...relay, flows: () => [text] });
    assertAll(await loadFrames(expecting(line), paced, 0.1));
    await closeFlows(relay.place);
    await assert.rejects(loadFrames(expecting(line.replace(':7000 -', ':7001 -')), paced, 0.1), /otherwise/);
    const changed = line.replace(/:9 - /, ':9 40000000 ').replace(/-$/, '40000001');
    await assert.rejects(loadFrames(expecting(changed), paced, 0.1), /otherwise/);
    const kept = line.replace(/:9 - /, ':9 40000000 ');
    await assert.rejects(loadFrames(expecting(kept), paced, 0.1), /nothing was delivered/);
  });
});

test('a target is met or missed by the worst cell, and left out when it was not measured', () => {
  const cell = (name: string, ours: number) => ({
    kind: 'turn',
    cell: name,
    samples: { 'culvert-xdp': [frames(ours)], coturn: [frames(100)], rewrite: [frames(3000)] },
  });
  const found = engines.targets({ versions: {}, trials: [cell('a', 2500), cell('b', 1300)] } as unknown as Results);
  assert.deepEqual(
    found.map(({ what, got, met }) => [what, got, met]),
    [
      ['xdp, turn, delivered packets against coturn', '13.00×', true],
      ['xdp, turn, against the bare rewrite', '0.43×', false],
    ],
  );
});

test('guard: a kind that became slower than the machine explains stands out', () => {
  const machine = { cpu: 'A processor', cores: 2, memoryGiB: 4, kernel: '6.1', node: 'v24', busyBefore: 0, nice: 0 };
  const before = {
    date: '2026-01-02T03:04:05.678Z',
    machine,
    figures: { rewrite: 5, reference: 10, kinds: { keep: 100, strip: 100 } },
  };
  const text = report({ rewrite: 9, reference: 20, kinds: { keep: 200, strip: 300, add: 50 } }, machine, before);
  assert.match(text, /\| keep \| 200 \| 100 \| 2\.00× \| 1\.00× \|/);
  assert.match(text, /\| strip \| 300 \| 100 \| 3\.00× \| \*\*1\.50×\*\* \|/);
  assert.match(text, /\| add \| 50 \| – \| – \| – \|/);
});

function frames(delivered: number): FrameSample {
  return {
    seconds: 1,
    sent: delivered,
    delivered,
    alien: 0,
    samples: 8,
    altered: 0,
    window: 0,
    relayCpu: 1,
    coreBusy: 1,
  };
}
