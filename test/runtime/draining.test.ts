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
  const draining = drainAll(driver, [one, two], log, 1).then(() => (ended = true));
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
  const draining = drainAll(driver, [service], log, 1).then(() => (ended = true));
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(ended, false);
  service.clientsLeft = 1;
  told.resolve();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(ended, false);
  service.clientsLeft = 0;
  await draining;
});

test('without clients it is over in a moment, without a word', async () => {
  const { driver, log, lines } = rig();
  await drainAll(driver, [new DrainableService('pair')], log);
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
