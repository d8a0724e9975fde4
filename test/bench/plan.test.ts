import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planOf } from '../../bench/turn/plan.ts';

test('a full run counts five rounds of all contestants, both directions, sizes and numbers of flows', () => {
  const plan = planOf([]);
  assert.ok(typeof plan !== 'string');
  assert.deepEqual(plan.contestants, ['culvert', 'coturn', 'bare']);
  assert.equal(plan.rounds, 5);
  assert.equal(plan.cells.filter(({ mode }) => mode === 'window').length, 8);
  assert.equal(plan.allocations, 10_000);
});

test('a quick run keeps no results unless told where', () => {
  const plan = planOf(['--quick']);
  const kept = planOf(['--quick', '--out', 'somewhere']);
  assert.ok(typeof plan !== 'string' && typeof kept !== 'string');
  assert.equal(plan.out, undefined);
  assert.equal(kept.out, 'somewhere');
});

for (const [args, fault] of [
  [['--only', 'nobody'], /no contestant "nobody"/],
  [['--rounds', '0'], /--rounds/],
  [['--seconds', 'ten'], /--seconds/],
  [['--what'], /--what/],
  [['stray'], /stray/],
] as const) {
  test(`${args.join(' ')}: refused with a reason`, () => {
    const plan = planOf([...args]);
    assert.ok(typeof plan === 'string');
    assert.match(plan, fault);
  });
}
