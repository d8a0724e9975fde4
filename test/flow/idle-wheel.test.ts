import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdleWheel } from '../../src/flow/idle-wheel.ts';

test('everything is due once, never early, at most one slot late', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.nat(5000), { maxLength: 50 }), (granularity, times) => {
      const wheel = new IdleWheel<{ slot: number; at: number }>(granularity);
      for (const at of times) wheel.set({ slot: -1, at }, at);
      let seen = 0;
      for (let now = 0; now <= 5000 + granularity; now += granularity) {
        for (const { at } of wheel.takeDue(now)) {
          seen += 1;
          assert.ok(at <= now, 'not early');
          assert.ok(now - at < granularity, 'not late');
        }
      }
      assert.equal(seen, times.length);
    }),
  );
});

test('cleared and moved entries are not due where they were', () => {
  const wheel = new IdleWheel<{ slot: number }>(10);
  const [gone, moved] = [{ slot: -1 }, { slot: -1 }];
  wheel.set(gone, 100);
  wheel.set(moved, 100);
  wheel.clear(gone);
  wheel.set(moved, 200);
  assert.deepEqual(wheel.takeDue(150), []);
  assert.deepEqual(wheel.takeDue(200), [moved]);
  assert.equal(moved.slot, -1);
});

test('a clock that leaps makes everything due that it passed', () => {
  const wheel = new IdleWheel<{ slot: number }>(1000);
  const entry = { slot: -1 };
  wheel.set(entry, 1000);
  assert.deepEqual(wheel.takeDue(1e12), [entry]);
});
