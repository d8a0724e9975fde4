import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAgo, formatBytes, formatCount, formatDuration, formatUntil, Table } from '../../src/cli/table.ts';

test('columns are aligned, a later piece keeps the widths', () => {
  const table = new Table(['name', '>n']);
  assert.equal(
    table.format([
      ['a', '1'],
      ['longer', '1,000'],
    ]),
    '  name        n\n  a           1\n  longer  1,000\n',
  );
  assert.equal(table.format([['b', '22']]), '  b          22\n');
  assert.equal(new Table(['name']).format([]), '  name\n');
});

test('texts from outside stay in their cell', () => {
  assert.equal(new Table(['user']).format([['a\n\u001b[2Jb']]), '  user\n  a\\u000a\\u001b[2Jb\n');
});

test('numbers read well', () => {
  const bytes = [0, 999, 1000, 1234, 99_950, 123_456, 999_499, 999_600, 1.5e15, 2e18];
  assert.deepEqual(bytes.map(formatBytes), [
    '0 B',
    '999 B',
    '1.00 kB',
    '1.23 kB',
    '100 kB',
    '123 kB',
    '999 kB',
    '1.00 MB',
    '1.50 PB',
    '2000 PB',
  ]);
  assert.equal(formatCount(1_234_567), '1,234,567');
  const seconds = [-1, 0, 59, 60, 61, 3600, 3660, 86_399, 90_000, 8_640_000];
  assert.deepEqual(seconds.map(formatDuration), [
    '0 s',
    '0 s',
    '59 s',
    '1 min',
    '1 min 1 s',
    '1 h',
    '1 h 1 min',
    '23 h 59 min',
    '1 d 1 h',
    '100 d',
  ]);
  const now = Date.parse('2026-01-01T00:01:00Z');
  assert.equal(formatAgo('2026-01-01T00:00:00Z', now), '1 min ago');
  assert.equal(formatUntil('2026-01-01T00:02:05Z', now), 'in 1 min 5 s');
  assert.deepEqual([formatAgo(null), formatUntil(null)], ['-', '-']);
});
