import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from '../../src/flow/token-bucket.ts';
import { bucketId } from './example.ts';

const limit = (bytesPerSecond: number, burst: number) => ({ bucket: bucketId(1), bytesPerSecond, burst });

test('a fresh bucket lets exactly its burst through', () => {
  const bucket = new TokenBucket(limit(1000, 300), 5000);
  assert.equal(bucket.take(300, 5000), true);
  assert.equal(bucket.take(1, 5000), false);
});

test('a refusal costs nothing and time refills to the byte', () => {
  const bucket = new TokenBucket(limit(1000, 100), 0);
  assert.equal(bucket.take(100, 0), true);
  assert.equal(bucket.take(11, 10), false);
  assert.equal(bucket.take(10, 10), true);
  assert.equal(bucket.take(1, 10), false);
  assert.equal(bucket.take(1, 11), true);
});

test('it never holds more than its burst, and a clock that steps back refills nothing', () => {
  const bucket = new TokenBucket(limit(1000, 100), 1_000_000);
  assert.equal(bucket.take(101, 9_000_000), false);
  assert.equal(bucket.take(100, 9_000_000), true);
  assert.equal(bucket.take(1, 8_000_000), false);
  assert.equal(bucket.take(1, 9_000_000), false);
});

test('a smaller burst is in force at once, a larger one is not given away', () => {
  const bucket = new TokenBucket(limit(1000, 100), 0);
  bucket.adjust(limit(1000, 50));
  assert.equal(bucket.take(51, 0), false);
  bucket.adjust(limit(1000, 1000));
  assert.equal(bucket.take(51, 0), false);
  assert.equal(bucket.take(50, 0), true);
});

test('over any time no more passes than burst + rate × time, and nothing is refused that fits', () => {
  const packets = fc.array(fc.record({ wait: fc.nat(50), bytes: fc.integer({ min: 0, max: 1500 }) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 5000 }),
      packets,
      (rate, burst, todo) => {
        const bucket = new TokenBucket(limit(rate, burst), 0);
        let now = 0;
        let passed = 0;
        for (const { wait, bytes } of todo) {
          now += wait;
          if (bucket.take(bytes, now)) passed += bytes;
          else if (bytes <= burst)
            assert.ok(bytes > (rate * wait) / 1000, 'refused although the last pause paid for it');
          assert.ok(passed <= burst + (rate * now) / 1000);
        }
      },
    ),
  );
});
