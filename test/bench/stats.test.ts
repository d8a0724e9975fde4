import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, medianRatio } from '../../bench/lib/stats.ts';

test('the median of an odd and of an even number of values', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('ratios are taken round by round, so that a slow round of the machine cancels out', () => {
  // The machine was half as fast in the second round; the contestant was always twice the reference.
  assert.equal(medianRatio([200, 100, 220], [100, 50, 110]), 2);
});

test('rounds that a reference lacks, or spent without a result, do not count', () => {
  assert.equal(medianRatio([2, 4, 6], [1]), 2);
  assert.equal(medianRatio([2, 4], [0, 2]), 2);
});
