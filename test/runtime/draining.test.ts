import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../src/control/log/log.ts';
import { IdSource } from '../../src/net/ids.ts';
import { drainAll } from '../../src/runtime/draining.ts';
import { Driver } from '../../src/runtime/driver.ts';
import { FakeEngine, FakeService } from './fakes.ts';

class DrainableService extends FakeService {
  clientsLeft = 0;
  drained = 0;

  drain(now: number): void {
    assert.equal(now, 1000);
    this.drained += 1;
  }

  resume(): void {}
}

test('every service drains, and the end comes with the last client', async () => {
  const [one, two] = [new DrainableService('pair'), new DrainableService('forward')];
  [one.clientsLeft, two.clientsLeft] = [2, 1];
  const { driver, log, lines } = rig();
  let ended = false;
  const draining = drainAll(driver, [{ service: one }, { service: two }], log, 1).then(() => (ended = true));
  assert.deepEqual([one.drained, two.drained], [1, 1]);
  one.clientsLeft = 0;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(ended, false);
  two.clientsLeft = 0;
  await draining;
  assert.deepEqual(lines, [{ clients: 3 }]);
});

test('a client of whom his service hears only now is waited for', async () => {
  const { driver, engine, log } = rig();
  const service = new DrainableService('forward');
  const told = Promise.withResolvers<void>();
  engine.told = told.promise;
  let ended = false;
  const draining = drainAll(driver, [{ service }], log, 1).then(() => (ended = true));
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(ended, false);
  service.clientsLeft = 1;
  told.resolve();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(ended, false);
  service.clientsLeft = 0;
  await draining;
});

test('an engine that does not know yet who is there is waited for no longer than he may stay', async () => {
  const { driver, engine, log } = rig();
  const service = new DrainableService('forward');
  engine.told = new Promise(() => {});
  for (const untoldPatience of [0, 60]) {
    const begun = performance.now();
    await drainAll(driver, [{ service: new DrainableService('pair') }, { service, untoldPatience }], log, 1);
    const took = performance.now() - begun;
    assert.ok(took >= untoldPatience - 1 && took < untoldPatience + 1000, `${took} ms`);
  }
});

test('clients that go on after a restart are waited for in vain no longer than wanted, or not at all', async () => {
  const { driver, log, lines } = rig();
  const [turn, wireguard] = [new DrainableService('turn'), new DrainableService('wireguard')];
  [turn.clientsLeft, wireguard.clientsLeft] = [1, 5];
  const begun = performance.now();
  const all = [
    { service: turn, patience: 200 },
    { service: wireguard, keepsClients: true },
  ] as const;
  await drainAll(driver, all, log, 1);
  assert.ok(performance.now() - begun >= 200);
  assert.deepEqual([turn.drained, wireguard.drained], [1, 1]);
  assert.deepEqual(lines, [{ clients: 1 }], 'those whom it waits for');

  await drainAll(driver, [{ service: turn, patience: 0 }], log, 1);
  turn.clientsLeft = 0;
  await drainAll(driver, [{ service: turn, patience: 3_600_000 }], log, 1);
  assert.equal(lines.length, 1);
});

test('without clients it is over in a moment, without a word', async () => {
  const { driver, log, lines } = rig();
  await drainAll(driver, [{ service: new DrainableService('pair') }], log);
  await drainAll(driver, [], log);
  assert.deepEqual(lines, []);
});

function rig() {
  const lines: unknown[] = [];
  const note = (_message: string, fields?: unknown) => void lines.push(fields);
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note };
  let engine: FakeEngine | undefined;
  const createEngine = (sink: ConstructorParameters<typeof FakeEngine>[0]) => (engine = new FakeEngine(sink));
  const driver = new Driver({ ids: new IdSource(), createEngine, onEvent: () => {}, clock: () => 1000 });
  assert.ok(engine);
  return { driver, engine, log, lines };
}
