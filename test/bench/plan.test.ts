import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosen, perEngine, planOf } from '../../bench/lib/plan.ts';
import { turnPlan } from '../../bench/turn/plan.ts';

test('a full run counts five rounds of all contestants, both directions, sizes and numbers of flows', () => {
  const plan = turnPlan([]);
  assert.ok(typeof plan !== 'string');
  assert.deepEqual(plan.contestants, ['culvert', 'coturn', 'bare']);
  assert.equal(plan.rounds, 5);
  assert.equal(plan.cells.filter(({ mode }) => mode === 'window').length, 8);
  assert.equal(plan.allocations, 10_000);
});

test('a quick run keeps no results unless told where', () => {
  const plan = turnPlan(['--quick']);
  const kept = turnPlan(['--quick', '--out', 'somewhere']);
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
    const plan = turnPlan([...args]);
    assert.ok(typeof plan === 'string');
    assert.match(plan, fault);
  });
}

const CHOICES = { name: 'x', contestants: ['culvert', 'socat', 'haproxy-auto'], parts: ['tcp', 'udp'] };

test('every engine of Culvert is a contestant, the first under the plain name', () => {
  const plan = planOf(['--engines', 'batched,portable,xdp', '--only', 'culvert'], CHOICES);
  assert.ok(typeof plan !== 'string');
  const ours = perEngine(plan, (name, engine) => ({ name, engine }));
  assert.deepEqual(ours, [
    { name: 'culvert', engine: 'batched' },
    { name: 'culvert-portable', engine: 'portable' },
    { name: 'culvert-xdp', engine: 'xdp' },
  ]);
  assert.deepEqual(chosen(plan, [...ours, { name: 'socat', engine: '' }]), ours);
});

test('a contestant whose name ends like an engine is itself', () => {
  const plan = planOf(['--only', 'haproxy-auto'], CHOICES);
  assert.ok(typeof plan !== 'string');
  assert.deepEqual(chosen(plan, [{ name: 'haproxy-auto' }, { name: 'culvert' }]), [{ name: 'haproxy-auto' }]);
});

test('parts run in the order of the benchmark', () => {
  const plan = planOf(['--parts', 'udp,tcp'], CHOICES);
  assert.ok(typeof plan !== 'string');
  assert.deepEqual(plan.parts, ['tcp', 'udp']);
});

test('unknown parts and engines: refused with what there is', () => {
  assert.equal(planOf(['--parts', 'tcp,x'], CHOICES), 'no part "x"; there are tcp, udp');
  assert.match(String(planOf(['--engines', 'fast'], CHOICES)), /^no engine "fast"; there are auto, portable/);
  assert.equal(turnPlan(['--engines', 'portable,xdp']), '--engines takes one here');
});
