import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage, encodeMessage, verifyIntegrity } from '../../../src/wire/stun/codec.ts';
import { StreamFramer } from '../../../src/wire/stun/framing.ts';
import { encodeOptions, message } from './arbitraries.ts';

const FAULTS = [
  'too-short',
  'not-stun',
  'no-magic-cookie',
  'bad-length',
  'truncated-attribute',
  'malformed-attribute',
  'bad-fingerprint',
];

test('whatever happens to a message, decoding gives a message or a reason', () => {
  const mutation = fc.record({
    kind: fc.constantFrom('flip', 'cut', 'insert', 'swap'),
    at: fc.nat(),
    other: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fixLength: fc.boolean(),
  });
  let accepted = 0;
  fc.assert(
    fc.property(message, encodeOptions, fc.array(mutation, { minLength: 1, maxLength: 4 }), (value, options, list) => {
      let bytes: Uint8Array = encodeMessage(value, options);
      for (const { kind, at, other, bytes: inserted, fixLength } of list) {
        const index = at % (bytes.length + 1);
        if (kind === 'flip') bytes = bytes.map((byte, i) => (i === index ? byte ^ (1 << (other & 7)) : byte));
        else if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + (other % 9))]);
        else if (kind === 'insert') bytes = Buffer.concat([bytes.subarray(0, index), inserted, bytes.subarray(index)]);
        else bytes = Buffer.concat([bytes.subarray(0, 20), bytes.subarray(index), bytes.subarray(20, index)]);
        // Without this most of them would end at the length check.
        if (fixLength && bytes.length >= 20) {
          bytes = Buffer.concat([bytes, new Uint8Array(-bytes.length & 3)]);
          bytes.set([(bytes.length - 20) >>> 8, (bytes.length - 20) & 0xff], 2);
        }
      }
      if (isSound(bytes)) accepted++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 100, 'mutants get past the first checks');
});

test('noise behind a good header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (body) => {
      const words = body.subarray(0, body.length & ~3);
      const header = [0, 1, 0, words.length, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
      isSound(Uint8Array.from([...header, ...words]));
      isSound(body);
    }),
    { numRuns: 3000 },
  );
});

test('a changed byte under integrity is always detected', () => {
  const flip = fc.record({ at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) });
  const algorithm = fc.constantFrom('sha1', 'sha256');
  fc.assert(
    fc.property(message, algorithm, fc.uint8Array({ minLength: 1 }), flip, (value, algorithm, key, { at, bits }) => {
      const bytes = encodeMessage(value, { integrity: { algorithm, key } });
      const index = at % bytes.length;
      const changed = bytes.map((byte, i) => (i === index ? byte ^ bits : byte));
      const result = decodeMessage(changed);
      if (!result.ok) return;
      const { messageIntegrity, messageIntegritySha256 } = result.message;
      const attribute = algorithm === 'sha1' ? messageIntegrity : messageIntegritySha256;
      assert.ok(attribute === undefined || !verifyIntegrity(changed, attribute, algorithm, key));
    }),
    { numRuns: 2000 },
  );
});

test('a changed byte under a fingerprint is always detected', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, bits) => {
      const bytes = encodeMessage(value, { fingerprint: true });
      const index = at % bytes.length;
      const result = decodeMessage(bytes.map((byte, i) => (i === index ? byte ^ bits : byte)));
      // Where the attribute's own type is hit, there is no FINGERPRINT any more, and that shows.
      assert.ok(!result.ok || !result.message.hasFingerprint);
    }),
    { numRuns: 2000 },
  );
});

/** Decodes, checks that the result is what its type says, and uses what is in it. Whether it was a message. */
function isSound(bytes: Uint8Array): boolean {
  const framer = new StreamFramer();
  framer.push(bytes);
  for (let left = bytes.length + 1; framer.next() instanceof Uint8Array; left--) assert.ok(left > 0);

  const before = Buffer.from(bytes);
  const result = decodeMessage(bytes);
  if (!result.ok) {
    assert.ok(FAULTS.includes(result.fault));
    const attributesBroken = result.fault === 'truncated-attribute' || result.fault === 'malformed-attribute';
    assert.ok(result.request === undefined || (attributesBroken && result.request.class === 'request'));
    return false;
  }
  const { message } = result;
  assert.equal(message.transactionId.length, 12);
  assert.ok(message.method >= 0 && message.method <= 0xfff);
  assert.ok(message.unknownRequired.every((type) => type >= 0 && type < 0x8000));
  assert.equal(new Set(message.unknownRequired).size, message.unknownRequired.length);
  for (const [algorithm, attribute] of [
    ['sha1', message.messageIntegrity],
    ['sha256', message.messageIntegritySha256],
  ] as const) {
    if (attribute === undefined) continue;
    assert.ok(attribute.offset >= 20 && attribute.offset + 4 + attribute.mac.length <= bytes.length);
    assert.equal(verifyIntegrity(bytes, attribute, algorithm, Buffer.from('no such key')), false);
  }
  // What decodes can be encoded and decoded to the same.
  const again = decodeMessage(encodeMessage({ ...message, attributes: message.attributes }));
  assert.ok(again.ok);
  assert.deepEqual(again.message.attributes, message.attributes);
  assert.ok(before.equals(bytes), 'the packet is as it was');
  return true;
}
