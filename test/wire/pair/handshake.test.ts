import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { firstWord } from '../../../src/wire/first-word.ts';
import { FLAG_NONCE, isBlankNonce, NONCE_BYTES, nonceOf } from '../../../src/wire/pair/extension.ts';
import {
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_BYTES,
  keyOfHandshake,
  PAIR_MAGIC,
  PairEncodeError,
} from '../../../src/wire/pair/handshake.ts';
import { GUID, KEY, vector } from './vectors.ts';

const guids = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const keys = fc.uint8Array({ minLength: 16, maxLength: 80 });

describe('vectors', () => {
  test('a handshake and one with something behind it, byte for byte', () => {
    assert.deepEqual(encodeHandshake({ guid: GUID, flags: 0 }, KEY), vector('plain'));
    assert.deepEqual(encodeHandshake({ guid: GUID, flags: 0 }, KEY, Buffer.from('hello')), vector('behind'));
  });

  test('a wrong length field is taken, as v0.8.2 does', () => {
    const packet = vector('wrong-length');
    assert.deepEqual(decodeHandshake(packet), { ok: true, handshake: { guid: GUID, flags: 0x8001 } });
    assert.equal(keyOfHandshake(packet, [KEY]), KEY);
  });
});

describe('properties', () => {
  test('what is encoded decodes, and its MAC holds with this key among others', () => {
    const flags = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(guids, flags, keys, keys, fc.uint8Array({ maxLength: 300 }), (guid, bits, key, other, behind) => {
        const packet = encodeHandshake({ guid, flags: bits }, key, behind);
        assert.equal(packet.length, HANDSHAKE_BYTES + behind.length);
        assert.deepEqual(decodeHandshake(packet), { ok: true, handshake: { guid, flags: bits } });
        fc.pre(Buffer.compare(other, key) !== 0);
        assert.equal(keyOfHandshake(packet, [other, key]), key);
        assert.equal(keyOfHandshake(packet, [other]), undefined);
      }),
    );
  });

  test('no bit of it can be changed', () => {
    const bit = fc.nat();
    fc.assert(
      fc.property(guids, fc.uint8Array({ maxLength: 40 }), bit, (guid, behind, at) => {
        const packet = encodeHandshake({ guid, flags: 0 }, KEY, behind);
        const position = at % (packet.length * 8);
        packet[position >>> 3] = (packet[position >>> 3] ?? 0) ^ (1 << (position & 7));
        assert.equal(keyOfHandshake(packet, [KEY]), undefined);
      }),
    );
  });

  test('any bytes are decoded or refused, never thrown at', () => {
    const prefixed = fc.uint8Array({ maxLength: 80 }).map((tail) => Uint8Array.of(0x04, 0xb2, 0x80, 0x00, ...tail));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), prefixed), (packet) => {
        const result = decodeHandshake(packet);
        if (result.ok) assert.ok(packet.length >= 56 && firstWord(packet) === PAIR_MAGIC);
        else if (result.fault === 'too-short') assert.ok(packet.length < 56);
        else if (result.fault === 'not-a-handshake') assert.notEqual(firstWord(packet), PAIR_MAGIC);
        else assert.ok(packet.subarray(8, 24).every((byte) => byte === 0));
      }),
    );
  });

  test('a datagram that lies somewhere in a larger buffer is read where it lies', () => {
    const buffer = new Uint8Array(200).fill(0xee);
    buffer.set(vector('behind'), 33);
    const packet = buffer.subarray(33, 33 + 61);
    assert.deepEqual(decodeHandshake(packet), { ok: true, handshake: { guid: GUID, flags: 0 } });
    assert.equal(keyOfHandshake(packet, [KEY]), KEY);
  });
});

test('refusals have names', () => {
  const zero = vector('plain').fill(0, 8, 24);
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(0), 'not-a-handshake'],
    [Uint8Array.of(4, 0xb2, 0x80), 'not-a-handshake'],
    [vector('plain').fill(5, 0, 1), 'not-a-handshake'],
    [vector('plain').subarray(0, 55), 'too-short'],
    [zero, 'zero-guid'],
  ];
  for (const [packet, fault] of cases) assert.deepEqual(decodeHandshake(packet), { ok: false, fault });
});

test('what has no encoding is our mistake', () => {
  for (const [guid, flags, behind] of [
    ['00', 0, 0],
    [GUID.toUpperCase(), 0, 0],
    [GUID, 0x10000, 0],
    [GUID, -1, 0],
    [GUID, 0, 0x10000],
  ] as const) {
    assert.throws(() => encodeHandshake({ guid, flags }, KEY, new Uint8Array(behind)), PairEncodeError);
  }
});

test('a nonce is there when the flag and 24 bytes say so', () => {
  const nonce = Uint8Array.from({ length: NONCE_BYTES }, (_, index) => index);
  const packet = encodeHandshake({ guid: GUID, flags: FLAG_NONCE }, KEY, nonce);
  assert.deepEqual(nonceOf(packet, FLAG_NONCE), nonce);
  assert.equal(nonceOf(packet, 0), undefined);
  assert.equal(nonceOf(packet.subarray(0, packet.length - 1), FLAG_NONCE), undefined);
  assert.ok(isBlankNonce(new Uint8Array(NONCE_BYTES)));
  assert.ok(!isBlankNonce(nonce));
});
