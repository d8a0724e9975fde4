import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hmac } from '../../src/wire/hmac.ts';

test('hmac is what node:crypto calls HMAC, of pieces laid end to end', () => {
  const key = fc.oneof(fc.uint8Array({ maxLength: 32 }), fc.uint8Array({ minLength: 60, maxLength: 70 }));
  const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom('sha1', 'sha256', 'blake2s256'), key, pieces, (algorithm, secret, list) => {
      const expected = createHmac(algorithm, secret).update(Buffer.concat(list)).digest('hex');
      assert.equal(Buffer.from(hmac(algorithm, secret, ...list)).toString('hex'), expected);
    }),
    { numRuns: 500 },
  );
});

test('also where it is more than a message, and from shared memory', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(100)).fill(5);
  for (const data of [
    new Uint8Array(65_552).fill(1),
    new Uint8Array(65_553).fill(2),
    new Uint8Array(200_000),
    shared,
  ]) {
    const expected = createHmac('sha256', 'key').update(Buffer.from(data)).digest('hex');
    assert.equal(Buffer.from(hmac('sha256', Buffer.from('key'), data)).toString('hex'), expected);
  }
});
