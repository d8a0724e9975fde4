import assert from 'node:assert/strict';
import { enableCompileCache } from 'node:module';
import { after, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { openDescriptors } from '../../../src/sys/fd.ts';
import { afterwards } from '../../afterwards.ts';
import { missing } from '../../requirements.ts';
import { until } from '../conformance/rig.ts';
import { descriptors } from '../descriptors.ts';
import { start } from './standing-rig.ts';

enableCompileCache();

describe('streams of two workers that are joined', { skip: missing('ffi') }, () => {
  test('both end, and leave nothing, whichever worker dies while one of them moves', async (t) => {
    const workers: Worker[] = [];
    const note = (worker: Worker): unknown => workers.push(worker);
    process.on('worker', note);
    afterwards(t, () => process.removeListener('worker', note));
    const { rig, place, upstreams } = await start(t, { workers: 2 });
    const before = descriptors().sockets;
    for (let round = 0; round < 8; round++) {
      const pair = [rig.ids.stream(), rig.ids.stream()] as const;
      // Workers have their turns.
      for (const stream of pair) rig.engine.connect(stream, { to: place, timeout: 60_000 });
      await until(() => pair.every((stream) => rig.connected.get(stream)?.ok === true), 'both connections');
      rig.engine.join(...pair, { service: 'forward', idle: 0 });
      for (let turns = 0; turns < round >> 1; turns++) await setImmediate();
      const [dying] = workers.splice(round % 2, 1);
      await dying?.terminate();
      // They may have met already, with the one that lives.
      await until(() => {
        for (const upstream of upstreams.splice(0)) upstream.destroy();
        return pair.every((stream) => rig.ends.has(stream));
      }, 'the end of both');
      await until(
        () => workers.length === 2 && descriptors().sockets <= before,
        'another worker, and no descriptor of the other',
      );
    }
  });

  after(() => assert.deepEqual(openDescriptors(), []));
});
