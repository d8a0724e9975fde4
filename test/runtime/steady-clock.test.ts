import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SteadyClock } from '../../src/runtime/steady-clock.ts';

test('it is the wall clock, in whole milliseconds, while that goes forward', () => {
  let wall = 5000;
  const clock = new SteadyClock(
    () => wall,
    () => wall - 1234.5,
  );
  assert.equal(clock.now(), 5000);
  wall += 17;
  assert.equal(clock.now(), 5017);
});

test('when the wall clock is set back it goes on at half speed until they meet', () => {
  let [wall, monotonic] = [10_000, 0];
  const clock = new SteadyClock(
    () => wall,
    () => monotonic,
  );
  const pass = (millis: number): number => {
    wall += millis;
    monotonic += millis;
    return clock.now();
  };
  assert.equal(pass(0), 10_000);
  wall -= 1000;
  assert.equal(pass(0), 10_000);
  assert.equal(pass(500), 10_250);
  assert.equal(pass(1500), 11_000);
  assert.equal(wall, 11_000, 'they have met');
  assert.equal(pass(300), 11_300);
});

test('it never goes back and never stands still for long, whatever the wall clock does', () => {
  const leaps = fc.array(fc.record({ leap: fc.integer({ min: -100_000, max: 100_000 }), elapsed: fc.nat(5000) }));
  fc.assert(
    fc.property(leaps, (todo) => {
      let [wall, monotonic] = [1_000_000, 0];
      const clock = new SteadyClock(
        () => wall,
        () => monotonic,
      );
      let last = clock.now();
      for (const { leap, elapsed } of todo) {
        wall += leap + elapsed;
        monotonic += elapsed;
        const now = clock.now();
        assert.ok(now >= last + Math.floor(elapsed / 2) - 1);
        assert.ok(now >= wall);
        last = now;
      }
    }),
  );
});
