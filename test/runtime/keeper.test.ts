import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Log } from '../../src/control/log/log.ts';
import { readJournal } from '../../src/control/state/journal-lines.ts';
import { CLIENTS_FILE, Keeper } from '../../src/runtime/keeper.ts';
import { Changes, type KeptEntry, type Restorable } from '../../src/service/kept.ts';
import { afterwards } from '../afterwards.ts';
import { waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { FakeService } from './fakes.ts';

type Context = Parameters<typeof temporaryFolder>[0];

/** Holds numbers by name. */
class Shelf extends FakeService implements Restorable {
  readonly things = new Map<string, number>();
  readonly changes = new Changes<string>();
  restored: unknown = undefined;
  readonly leftOut = 0;
  fails = false;

  put(key: string, value: number | undefined): void {
    if (value === undefined) this.things.delete(key);
    else this.things.set(key, value);
    this.changes.note(key);
  }

  keptEntries(): Iterable<KeptEntry> {
    this.changes.begin();
    return this.#entries([...this.things.keys()]);
  }

  keptChanges(): Iterable<KeptEntry> | undefined {
    const keys = this.changes.take();
    return keys && this.#entries(keys);
  }

  restoreEntries(values: readonly object[]): void {
    if (this.fails) throw new TypeError('no such field');
    this.restored = values;
  }

  *#entries(keys: readonly string[]): Iterable<KeptEntry> {
    for (const key of keys) {
      const value = this.things.get(key);
      yield { key, value: value === undefined ? undefined : { value } };
    }
  }
}

function rig(context: Context, folder = temporaryFolder(context)) {
  const lines: string[] = [];
  const note = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { info: note, warn: note } as unknown as Log;
  const driver = { run: (_: unknown, act: (now: number) => void) => act(1000) };
  const keeper = new Keeper({ folder, driver: driver as never, log });
  const [turn, pair] = [new Shelf('turn'), new Shelf('pair')];
  afterwards(context, async () => {
    await keeper.settle();
    await keeper.close();
  });
  const file = join(folder, CLIENTS_FILE);
  const kept = () =>
    Object.fromEntries([...readJournal(file).values].map(([name, values]) => [name, Object.fromEntries(values)]));
  return { folder, file, keeper, turn, pair, services: [turn, pair], lines, kept };
}

describe('the keeper', () => {
  test('writes everything at the start, and what changed within about a second', async (context) => {
    const { keeper, turn, pair, services, file, kept } = rig(context);
    keeper.restore(services);
    turn.put('a', 1);
    keeper.start();
    await waitFor(() => existsSync(file));
    assert.deepEqual(kept(), { turn: { a: { value: 1 } } });
    turn.put('a', 2);
    pair.put('b', 3);
    const begin = performance.now();
    await waitFor(() => JSON.stringify(kept()) === '{"turn":{"a":{"value":2}},"pair":{"b":{"value":3}}}');
    // A slow disk has its time too.
    assert.ok(performance.now() - begin < 10_000);
    turn.put('a', undefined);
    await waitFor(() => JSON.stringify(kept()) === '{"turn":{},"pair":{"b":{"value":3}}}');
    const size = readFileSync(file).length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(readFileSync(file).length, size, 'nothing changed, nothing is written');
  });

  test('takes up what an earlier one wrote, each service its own', async (context) => {
    const first = rig(context);
    first.keeper.restore(first.services);
    first.turn.put('a', 1);
    first.keeper.start();
    first.pair.put('b', 2);
    await first.keeper.settle();
    first.pair.put('b', 3);
    await first.keeper.finish();
    await first.keeper.close();
    const second = rig(context, first.folder);
    second.keeper.restore(second.services);
    second.keeper.start();
    assert.deepEqual(second.turn.restored, [{ value: 1 }]);
    assert.deepEqual(second.pair.restored, [{ value: 3 }]);
    assert.deepEqual(
      second.lines,
      ['turn', 'pair'].map((name) => `took up what an earlier run kept {"service":"${name}","entries":1,"leftOut":0}`),
    );
  });

  test('the last changes are written after everything has fallen silent', async (context) => {
    const { keeper, turn, services, kept } = rig(context);
    keeper.restore(services);
    keeper.start();
    turn.put('a', 1);
    const settled = keeper.settle();
    turn.put('b', 2);
    await settled;
    turn.put('b', undefined);
    turn.put('c', 3);
    await keeper.finish();
    assert.deepEqual(kept(), { turn: { a: { value: 1 }, c: { value: 3 } } });
  });

  test('a start that failed leaves the journal of the one before alone', async (context) => {
    const { keeper, turn, services, file } = rig(context);
    writeFileSync(file, 'the one before');
    keeper.restore(services);
    turn.put('a', 1);
    await keeper.settle();
    await keeper.finish();
    await keeper.close();
    assert.equal(readFileSync(file, 'utf8'), 'the one before');
  });

  test('what cannot be read, or taken up, is one line each, and the rest goes on', async (context) => {
    const damaged = rig(context);
    writeFileSync(damaged.file, 'nonsense');
    damaged.keeper.restore(damaged.services);
    assert.equal(damaged.lines.length, 1);
    assert.match(damaged.lines[0] ?? '', /is damaged/);
    damaged.turn.put('a', 1);
    damaged.pair.put('b', 1);
    damaged.keeper.start();
    await damaged.keeper.settle();
    const next = rig(context, damaged.folder);
    next.turn.fails = true;
    next.keeper.restore(next.services);
    assert.match(next.lines[0] ?? '', /cannot be taken up .*no such field/);
    assert.deepEqual(next.pair.restored, [{ value: 1 }]);
  });

  test('a folder that is gone is told once, and the relay goes on', async (context) => {
    const { keeper, turn, services, folder, lines } = rig(context);
    keeper.restore(services);
    rmSync(folder, { recursive: true });
    afterwards(context, () => void mkdirSync(folder));
    keeper.start();
    await waitFor(() => lines.length > 0);
    turn.put('a', 1);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    assert.deepEqual(lines.length, 1);
    assert.match(lines[0] ?? '', /not kept over a restart .*ENOENT/);
  });

  test('more changes than are remembered: everything is written anew', async (context) => {
    const { keeper, turn, services, kept, file } = rig(context);
    keeper.restore(services);
    keeper.start();
    await waitFor(() => existsSync(file));
    for (let index = 0; index < 200_001; index++) turn.changes.note(`gone ${index}`);
    turn.put('a', 1);
    await waitFor(() => kept().turn?.a !== undefined);
    assert.deepEqual(kept(), { turn: { a: { value: 1 } } });
  });

  test('changes while everything is written anew are in the new journal, and those that are gone are not', async (context) => {
    const { keeper, turn, pair, services, kept } = rig(context);
    keeper.restore(services);
    for (let index = 0; index < 100_000; index++) turn.put(`${index}`, index);
    pair.put('stays', 1);
    pair.put('goes', 1);
    keeper.start();
    let rounds = 0;
    const meddling = setInterval(() => {
      turn.put(`${rounds * 7}`, undefined);
      turn.put(`${99_999 - rounds * 7}`, -1);
      pair.put('goes', undefined);
      rounds++;
    }, 1);
    afterwards(context, () => clearInterval(meddling));
    await keeper.settle();
    clearInterval(meddling);
    await keeper.finish();
    const { turn: written = {}, pair: paired } = kept();
    assert.deepEqual(paired, { stays: { value: 1 } });
    assert.equal(Object.keys(written).length, turn.things.size);
    for (const [key, value] of turn.things) assert.equal((written[key] as { value: number }).value, value);
    assert.ok(rounds > 3, `${rounds}`);
  });
});
