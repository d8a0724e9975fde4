import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Deadline, DeadlineError, Deadlines } from '../../src/service/deadlines.ts';

interface Timer extends Deadline {
  readonly id: number;
}

function timer(id: number): Timer {
  return { id, at: 0, position: -1 };
}

test('next is the earliest of what is set', () => {
  const deadlines = new Deadlines<Timer>();
  assert.equal(deadlines.next(), undefined);
  const [a, b] = [timer(1), timer(2)];
  deadlines.set(a, 20);
  deadlines.set(b, 10);
  assert.equal(deadlines.next(), 10);
  deadlines.set(b, 30);
  assert.equal(deadlines.next(), 20);
  deadlines.clear(a);
  assert.equal(deadlines.next(), 30);
  assert.equal(a.position, -1);
});

test('takes what is due at this very millisecond, and nothing that is not', () => {
  const deadlines = new Deadlines<Timer>();
  const only = timer(1);
  deadlines.set(only, 10);
  assert.equal(deadlines.takeDue(9), undefined);
  assert.equal(deadlines.takeDue(10), only);
  assert.equal(deadlines.takeDue(10), undefined);
  assert.equal(deadlines.size, 0);
});

test('clearing twice or before setting does nothing', () => {
  const deadlines = new Deadlines<Timer>();
  const only = timer(1);
  deadlines.clear(only);
  deadlines.set(only, 1);
  deadlines.clear(only);
  deadlines.clear(only);
  assert.equal(deadlines.size, 0);
});

test('an entry of another heap is refused', () => {
  const [first, second] = [new Deadlines<Timer>(), new Deadlines<Timer>()];
  const entry = timer(1);
  first.set(entry, 5);
  assert.throws(() => second.clear(entry), DeadlineError);
  assert.throws(() => second.set(entry, 6), DeadlineError);
  assert.equal(first.next(), 5);
});

test('agrees with a sorted list under any sequence of set, clear and takeDue', () => {
  const operation = fc.oneof(
    fc.record({ type: fc.constant('set' as const), id: fc.nat(30), at: fc.nat(50) }),
    fc.record({ type: fc.constant('clear' as const), id: fc.nat(30), at: fc.constant(0) }),
    fc.record({ type: fc.constant('take' as const), id: fc.constant(0), at: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const deadlines = new Deadlines<Timer>();
      const timers = Array.from({ length: 31 }, (_, id) => timer(id));
      const model = new Map<number, number>();
      for (const { type, id, at } of operations) {
        const entry = timers[id] ?? timer(id);
        if (type === 'set') {
          deadlines.set(entry, at);
          model.set(id, at);
        } else if (type === 'clear') {
          deadlines.clear(entry);
          model.delete(id);
        } else {
          const taken = deadlines.takeDue(at);
          const earliest = Math.min(...model.values());
          assert.equal(taken !== undefined, earliest <= at);
          if (taken !== undefined) {
            assert.equal(model.get(taken.id), earliest);
            assert.equal(taken.position, -1);
            model.delete(taken.id);
          }
        }
        assert.equal(deadlines.size, model.size);
        assert.equal(deadlines.next(), model.size === 0 ? undefined : Math.min(...model.values()));
      }
    }),
  );
});
