import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { SECOND } from '../../src/net/time.ts';
import { BucketTable } from '../../src/service/bucket-table.ts';
import { type BudgetOptions, SourceBudget } from '../../src/service/limiter.ts';
import { seededRandom } from './seeded.ts';

const OPTIONS: BudgetOptions = { perAddress: 2, perPrefix: 5, burstSeconds: 2, maxSources: 1000 };
const NOW = 1_700_000_000_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function from(address: string): Endpoint {
  return { family: address.includes(':') ? 6 : 4, address, port: 5000 };
}

function takeAll(budget: SourceBudget, address: string, now: number): number {
  let taken = 0;
  while (taken < 1000 && budget.take(from(address), 1, now)) taken++;
  return taken;
}

test('an address gets its burst at once, then its rate', () => {
  const budget = new SourceBudget(OPTIONS, seededRandom(1));
  assert.equal(takeAll(budget, '192.0.2.1', NOW), 4);
  assert.equal(takeAll(budget, '192.0.2.1', NOW + SECOND - 1), 1);
  assert.equal(takeAll(budget, '192.0.2.1', NOW + SECOND), 1);
  assert.equal(takeAll(budget, '192.0.2.1', NOW + 100 * SECOND), 4);
});

test('what is given back can be taken again, up to the burst', () => {
  const budget = new SourceBudget(OPTIONS, seededRandom(1));
  assert.equal(takeAll(budget, '192.0.2.1', NOW), 4);
  budget.give(from('192.0.2.1'), 2, NOW);
  assert.equal(takeAll(budget, '192.0.2.1', NOW), 2);
  budget.give(from('192.0.2.1'), 100, NOW);
  assert.equal(takeAll(budget, '192.0.2.1', NOW), 4);
});

for (const [name, neighbours, stranger] of [
  ['/24', ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.255'], '192.0.3.1'],
  ['/64', ['2001:db8::1', '2001:db8::2', '2001:db8::ffff:ffff:0:1', '2001:db8::3'], '2001:db8:0:1::1'],
] as const) {
  test(`the addresses of one ${name} share a budget, the next ${name} has its own`, () => {
    const budget = new SourceBudget(OPTIONS, seededRandom(1));
    const taken = neighbours.map((address) => takeAll(budget, address, NOW));
    assert.deepEqual(taken, [4, 4, 2, 0]);
    assert.equal(takeAll(budget, stranger, NOW), 4);
  });
}

test('what one bucket refuses is not taken from the other', () => {
  const budget = new SourceBudget({ ...OPTIONS, perAddress: 1, burstSeconds: 1 }, seededRandom(1));
  assert.equal(budget.take(from('192.0.2.1'), 1, NOW), true);
  for (let again = 0; again < 10; again++) assert.equal(budget.take(from('192.0.2.1'), 1, NOW), false);
  // The prefix had five tokens and lost one: four other addresses still get theirs.
  const others = ['192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5', '192.0.2.6'];
  assert.deepEqual(
    others.map((address) => budget.take(from(address), 1, NOW)),
    [true, true, true, true, false],
  );
});

test('0 is no limit, for either bucket', () => {
  const unlimited = new SourceBudget({ ...OPTIONS, perAddress: 0, perPrefix: 0 }, seededRandom(1));
  assert.equal(takeAll(unlimited, '192.0.2.1', NOW), 1000);
  const onlyPrefix = new SourceBudget({ ...OPTIONS, perAddress: 0 }, seededRandom(1));
  assert.equal(takeAll(onlyPrefix, '192.0.2.1', NOW), 10);
  const onlyAddress = new SourceBudget({ ...OPTIONS, perPrefix: 0 }, seededRandom(1));
  assert.equal(takeAll(onlyAddress, '192.0.2.1', NOW), 4);
});

test('several tokens at once are all or nothing', () => {
  const budget = new SourceBudget(OPTIONS, seededRandom(1));
  assert.equal(budget.take(from('192.0.2.1'), 5, NOW), false);
  assert.equal(budget.take(from('192.0.2.1'), 4, NOW), true);
  assert.equal(budget.take(from('192.0.2.1'), 1, NOW), false);
});

test('a clock that steps back neither gives nor blocks', () => {
  const budget = new SourceBudget(OPTIONS, seededRandom(1));
  assert.equal(takeAll(budget, '192.0.2.1', NOW), 4);
  assert.equal(takeAll(budget, '192.0.2.1', NOW - 3600 * SECOND), 0);
  assert.equal(takeAll(budget, '192.0.2.1', NOW - 3599 * SECOND), 2);
});

test('text that is no address gets nothing', () => {
  assert.equal(new SourceBudget(OPTIONS, seededRandom(1)).take(from('nonsense'), 1, NOW), false);
});

test('whoever takes over the slot of the least recently seen has what was left in it', () => {
  const table = new BucketTable(1, 1, 8, 1);
  for (let host = 0; host < 8; host++) table.spend(table.find([0, 0, 0xffff, host], NOW + host), 1);
  const first = table.find([0, 0, 0xffff, 0], NOW + 8);
  assert.equal(table.holds(first, 1), false);
  assert.equal(table.holds(table.find([0, 0, 0xffff, 99], NOW + 9), 1), false);
  assert.equal(table.holds(table.find([0, 0, 0xffff, 0], NOW + 9), 1), false);
  assert.equal(table.holds(table.find([0, 0, 0xffff, 100], NOW + 2 * SECOND), 1), true);
});

test('spoofed neighbours in the table do not make it forget what a victim has had', () => {
  const budget = new SourceBudget({ ...OPTIONS, maxSources: 8 }, seededRandom(1));
  let taken = takeAll(budget, '192.0.2.1', NOW);
  for (let round = 0; round < 100; round++) {
    for (let net = 0; net < 8; net++) budget.take(from(`198.51.${net}.${round}`), 1, NOW);
    taken += takeAll(budget, '192.0.2.1', NOW);
  }
  // What eight slots hold at most.
  assert.ok(taken <= 8 * OPTIONS.perAddress * OPTIONS.burstSeconds, `${taken} replies`);
});

test('who shares a set depends on the seed', () => {
  const forgets = (seed: number) => {
    const table = new BucketTable(1, 1, 64, seed);
    const crowd = Array.from({ length: 16 }, (_, host) => table.find([0, 0, 0xffff, host], NOW));
    return crowd.join(' ');
  };
  assert.notEqual(forgets(1), forgets(2));
});

test('a million spoofed sources leave memory flat', () => {
  const budget = new SourceBudget({ ...OPTIONS, maxSources: 10_000 }, seededRandom(1));
  flood(budget, 0, 20_000);
  const before = bytesInUse();
  flood(budget, 20_000, 1_000_000);
  assert.ok(bytesInUse() - before < 200_000, `${bytesInUse() - before} bytes more`);
});

test('a table is laid out for the first source, all of it at once, and not at all where there is no limit', () => {
  const table = new BucketTable(1, 1, 10_000, 1);
  assert.equal(table.byteLength, 0);
  table.find([0, 0, 0xffff, 1], NOW);
  assert.equal(table.byteLength, 280_000);
  table.find([0, 0, 0xffff, 2], NOW);
  assert.equal(table.byteLength, 280_000);
  const unlimited = new BucketTable(0, 1, 10_000, 1);
  unlimited.find([0, 0, 0xffff, 1], NOW);
  assert.equal(unlimited.byteLength, 0);
});

function flood(budget: SourceBudget, first: number, end: number): void {
  for (let n = first; n < end; n++) {
    const address = `${1 + (n % 223)}.${(n >>> 16) & 0xff}.${(n >>> 8) & 0xff}.${n & 0xff}`;
    budget.take(from(address), 1, NOW + n);
  }
}

function bytesInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
