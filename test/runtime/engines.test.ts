import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/control/config/schema.ts';
import type { Log } from '../../src/control/log/log.ts';
import type { Obstacle } from '../../src/engine/batched/obstacle.ts';
import type { EngineSink } from '../../src/engine/engine.ts';
import type { XdpObstacle } from '../../src/engine/xdp/obstacle.ts';
import { IdSource } from '../../src/net/ids.ts';
import { interfacesFor, planEngine } from '../../src/runtime/engine-plan.ts';
import { chooseEngine } from '../../src/runtime/engines.ts';
import { transparencyObstacle } from '../../src/runtime/transparency.ts';
import { configOf, temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';

const obstacle: Obstacle = { reason: 'no-ffi', detail: 'koffi cannot be loaded: not installed' };
const noRights: XdpObstacle = { reason: 'no-rights', detail: 'without CAP_BPF', fix: 'run as root' };
const config = {
  state: '.',
  interfaces: ['eth7'],
  limits: { unmatched: { perPrefix: 1000, burstSeconds: 1 } },
  batched: { workers: 1, gso: true, gro: true, uring: true },
} as unknown as Config;

test('auto takes the xdp engine where it runs natively', () => {
  const plan = planEngine({ ...config, engine: 'auto' }, { batched: () => undefined, xdp: () => undefined });
  assert.deepEqual(plan, {
    ok: true,
    name: 'xdp',
    why: 'auto: the best, on eth7 above batched',
    below: 'batched',
    interfaces: ['eth7'],
  });
});

test('a forward is for the xdp engine as any listener', async (context) => {
  const interfacesOf = async (yaml: string) => interfacesFor(await configOf(temporaryFolder(context), { yaml }));
  const forward = (listen: string) =>
    interfacesOf(`forward: [{ name: a, listen: "${listen}", to: "udp://192.0.2.1:53" }]`);
  assert.deepEqual(await forward('udp://0.0.0.0:53'), await interfacesOf('pair: { listen: "udp://0.0.0.0:6060" }'));
  assert.deepEqual(await forward('udp://127.0.0.1:53'), []);
});

test('auto takes the batched engine where xdp does not run', { skip: missing('ffi') }, async () => {
  assert.deepEqual(await chosen('auto', undefined), {
    name: 'batched',
    why: 'auto: xdp does not run here, without CAP_BPF',
  });
  assert.deepEqual(await chosen('batched', undefined), { name: 'batched', why: 'as configured' });
});

test('auto goes on without xdp when that turns out not to run', { skip: missing('ffi') }, async () => {
  const { why } = (await chosen('auto', undefined, 'none')) as { why: string };
  // There is no such interface, if there is BPF at all.
  assert.match(why, /^auto: xdp does not run here, (?!without CAP_BPF)./);
});

test('auto says why it takes the portable one', async () => {
  assert.deepEqual(await chosen('auto', obstacle), {
    name: 'portable',
    why: 'auto: xdp does not run here, without CAP_BPF; nor does batched, koffi cannot be loaded: not installed',
  });
});

test('portable is what was asked for, and nothing else is looked at', async () => {
  assert.deepEqual(await chosen('portable', obstacle), { name: 'portable', why: 'as configured' });
});

test('an engine that was asked for by name and does not run is a reason to end', async () => {
  assert.match(String(await chosen('batched', obstacle)), /^the batched engine does not run here: koffi cannot be/);
  assert.match(String(await chosen('xdp', undefined)), /^the xdp engine does not run here: /);
});

test('forwards in the name of their clients need the batched engine and a right, whichever engine is on top', async () => {
  const forward = [
    { name: 'web', listen: [], transparent: true },
    { name: 'dns', listen: [], transparent: false },
    { name: 'mail', listen: [], transparent: true },
  ] as unknown as Config['forward'];
  const asking = { ...config, forward };
  for (const engine of ['auto', 'xdp'] as const) {
    const refusal = String(await chosen(engine, obstacle, noRights, asking));
    assert.match(
      refusal,
      /^forward web, mail: transparent needs the batched engine, .*: koffi cannot be loaded.*proxyOut/,
    );
  }
  const judged = (right: string | undefined) =>
    transparencyObstacle(
      { forward },
      () => undefined,
      () => right,
    );
  assert.equal(judged(undefined), undefined);
  assert.match(
    judged('EPERM')?.detail ?? '',
    /^forward web, mail: transparent needs CAP_NET_ADMIN or CAP_NET_RAW.*EPERM/,
  );
  assert.match(judged('EPERM')?.fix ?? '', /AmbientCapabilities=CAP_NET_RAW.*--cap-add NET_RAW/);
  const none = { forward: [{ name: 'dns', transparent: false }] as unknown as Config['forward'] };
  assert.equal(
    transparencyObstacle(
      none,
      () => assert.fail('asked'),
      () => assert.fail('asked'),
    ),
    undefined,
  );
});

/** The name of the engine and why it was chosen, or why none was. */
async function chosen(
  engine: Config['engine'],
  batched: Obstacle | undefined,
  xdp: XdpObstacle | 'none' = noRights,
  settings: Config = config,
): Promise<{ name: string; why: string } | string> {
  const obstacles = { batched: () => batched, xdp: () => (xdp === 'none' ? undefined : xdp) };
  const choice = await chooseEngine({ ...settings, engine }, {} as Log, obstacles);
  if (!choice.ok) return choice.reason;
  const made = choice.engine.create({} as EngineSink, new IdSource());
  await made.close();
  return { name: made.name, why: choice.engine.why };
}
