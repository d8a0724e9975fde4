import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headroom, reserveOf } from '../../../src/engine/portable/headroom.ts';

class System {
  time = 0;
  most: number | undefined = 1000;
  open: number | undefined = 100;
  cost = 0;
  looks = 0;

  now = () => this.time;
  limit = () => this.most;
  used = () => {
    this.looks += 1;
    this.time += this.cost;
    return this.open;
  };
}

test('newcomers get descriptors until the reserve is left, and again when some were given back', () => {
  const system = new System();
  const headroom = new Headroom(1, system);
  const fill = () => {
    let got = 0;
    for (; headroom.allows(4); got++) system.open = (system.open ?? 0) + 4;
    return got;
  };
  assert.equal(fill(), Math.floor((900 - reserveOf(1000)) / 4));
  assert.ok(system.looks < 5, `${system.looks} looks`);
  assert.equal(headroom.allows(4), false);
  system.open = (system.open ?? 0) - 40;
  assert.equal(fill(), 10);
});

test('what others open meanwhile is seen in time, and what is owed is left', () => {
  const system = new System();
  const headroom = new Headroom(1, system);
  assert.equal(headroom.allows(4), true);
  system.open = 990;
  system.time += 100;
  assert.equal(headroom.allows(4), false);
  system.open = 800;
  assert.equal(headroom.allows(4, 80), false);
  assert.equal(headroom.allows(4, 60), true);
});

test('several share what is left, and one of the last goes to whoever asks', () => {
  const system = new System();
  system.open = 1000 - reserveOf(1000) - 100;
  const headrooms = [1, 2, 3, 4].map(() => new Headroom(4, system));
  assert.deepEqual(
    headrooms.map((one) => [24, 4].map((count) => one.allows(count))),
    headrooms.map(() => [true, true]),
  );
  system.open += 96;
  assert.equal(new Headroom(4, system).allows(4), true);
  system.open += 1;
  assert.equal(new Headroom(4, system).allows(4), false);
});

test('a look that takes long is taken seldom; a limit that changes is seen; where nobody knows there is no bound', () => {
  const system = new System();
  system.cost = 10;
  system.open = 1000;
  const headroom = new Headroom(1, system);
  for (let n = 0; n < 100; n++) {
    assert.equal(headroom.allows(1), false);
    system.time += 10;
  }
  assert.equal(system.looks, 3);
  system.most = 4000;
  system.time += 1000;
  assert.equal(headroom.allows(1), true);
  for (const unknown of [{ most: undefined }, { open: undefined }, { most: Number.POSITIVE_INFINITY }]) {
    assert.equal(new Headroom(1, Object.assign(new System(), unknown)).allows(1_000_000), true);
  }
});

test('a low limit leaves something for clients', () => {
  assert.deepEqual([64, 80, 1024, 1_048_576].map(reserveOf), [8, 10, 128, 256]);
});
