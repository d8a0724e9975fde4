import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/control/config/schema.ts';
import type { Log } from '../../src/control/log/log.ts';
import type { EngineSink } from '../../src/engine/engine.ts';
import { IdSource } from '../../src/net/ids.ts';
import { chooseEngine } from '../../src/runtime/engines.ts';
import { KernelTraces } from '../../src/runtime/kernel-traces.ts';
import { afterwards } from '../afterwards.ts';
import { mountOwnBpf } from '../engine/xdp/namespace.ts';
import { TwoSides } from '../engine/xdp/two-sides.ts';
import { missing } from '../requirements.ts';

test('what is pinned is found by the state folder, where no setting had to be switched on, too', {
  skip: missing('bpf', 'ffi', 'netns'),
}, async (t) => {
  const network = new TwoSides();
  mountOwnBpf();
  const state = mkdtempSync(join(tmpdir(), 'culvert-traces-'));
  afterwards(t, () => {
    network.other.close();
    rmSync(state, { recursive: true });
  });
  for (const family of ['ipv4', 'ipv6']) writeFileSync(`/proc/sys/net/${family}/conf/lo/forwarding`, '1');
  const config = {
    engine: 'xdp',
    state,
    interfaces: ['relay0'],
    limits: { unmatched: { perPrefix: 0, burstSeconds: 1 } },
    batched: { workers: 1, gso: true, gro: true, uring: true },
  } as unknown as Config;
  const choice = await chooseEngine(config, { warn: () => {} } as unknown as Log);
  assert.ok(choice.ok, JSON.stringify(choice));
  const engine = choice.engine.create({} as EngineSink, new IdSource());
  const { instance } = choice.engine.traces;
  const record = join(state, `kernel-${instance}.json`);
  assert.deepEqual(readdirSync('/sys/fs/bpf/culvert'), [instance]);
  assert.ok(existsSync(record));

  // As somebody else would, by the name that is written down.
  const removed = new KernelTraces(state).remove();
  assert.ok(removed.some((path) => path.includes(instance)) && removed.includes(record));
  assert.ok(!existsSync('/sys/fs/bpf/culvert'));
  await engine.close();
});
