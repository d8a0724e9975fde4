import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/control/config/schema.ts';
import type { Log } from '../../src/control/log/log.ts';
import type { Obstacle } from '../../src/engine/batched/obstacle.ts';
import type { EngineSink } from '../../src/engine/engine.ts';
import { IdSource } from '../../src/net/ids.ts';
import { chooseEngine } from '../../src/runtime/engines.ts';
import { missing } from '../requirements.ts';

const obstacle: Obstacle = { reason: 'no-ffi', detail: 'koffi cannot be loaded: not installed' };

test('auto takes the batched engine where it runs', { skip: missing('ffi') }, async () => {
  assert.deepEqual(await chosen('auto', undefined), {
    name: 'batched',
    why: 'auto: the best but for xdp, which wants to be named',
  });
  assert.deepEqual(await chosen('batched', undefined), { name: 'batched', why: 'as configured' });
});

test('auto says why it takes the portable one', async () => {
  assert.deepEqual(await chosen('auto', obstacle), {
    name: 'portable',
    why: 'auto: batched does not run here, koffi cannot be loaded: not installed',
  });
});

test('portable is what was asked for, and nothing else is looked at', async () => {
  assert.deepEqual(await chosen('portable', obstacle), { name: 'portable', why: 'as configured' });
});

test('an engine that was asked for by name and does not run is a reason to end', async () => {
  assert.match(String(await chosen('batched', obstacle)), /^the batched engine does not run here: koffi cannot be/);
});

/** The name of the engine and why it was chosen, or why none was. */
async function chosen(engine: Config['engine'], found: Obstacle | undefined) {
  const config = { engine, batched: { workers: 1, gso: true, gro: true, uring: true } } as Config;
  const choice = await chooseEngine(config, {} as Log, () => found);
  if (!choice.ok) return choice.reason;
  const made = choice.engine.create({} as EngineSink, new IdSource());
  await made.close();
  return { name: made.name, why: choice.engine.why };
}
