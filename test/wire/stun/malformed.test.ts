import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { decodeMessage, type StunFault } from '../../../src/wire/stun/codec.ts';
import { attribute, packet, TRANSACTION_ID } from './helpers.ts';

describe('packets that are refused without an answer', () => {
  const good = packet([attribute(0x0006, 'alice')]);
  const cases: readonly (readonly [string, StunFault, Uint8Array])[] = [
    ['nothing', 'too-short', new Uint8Array(0)],
    ['one byte', 'too-short', Uint8Array.of(0)],
    ['a header but for its last byte', 'too-short', packet([]).subarray(0, 19)],
    ['ChannelData', 'not-stun', Buffer.concat([Buffer.of(0x40, 0, 0, 16), new Uint8Array(16)])],
    ['bits 10 in front', 'not-stun', packet([], { type: 0x8003 })],
    ['bits 11 in front', 'not-stun', packet([], { type: 0xc003 })],
    ['RFC 3489: no cookie', 'no-magic-cookie', packet([], { cookie: 0 })],
    ['a cookie with one bit off', 'no-magic-cookie', packet([], { cookie: 0x2112a443 })],
    ['zeros', 'no-magic-cookie', new Uint8Array(100)],
    ['length 0 with attributes behind', 'bad-length', packet([attribute(0x0006, 'alice')], { length: 0 })],
    ['length beyond the packet', 'bad-length', packet([attribute(0x0006, 'alice')], { length: 16 })],
    ['length short of the packet', 'bad-length', packet([attribute(0x0006, 'alice')], { length: 8 })],
    ['length 65,535', 'bad-length', packet([], { length: 0xffff })],
    ['length no multiple of four', 'bad-length', packet([attribute(0x0006, 'a').subarray(0, 5)])],
    ['one byte more', 'bad-length', Buffer.concat([good, Buffer.of(0)])],
    ['one byte less', 'bad-length', good.subarray(0, -1)],
    ['wrong FINGERPRINT', 'bad-fingerprint', packet([attribute(0x8028, Buffer.of(0, 0, 0, 0))])],
    ['FINGERPRINT of two bytes', 'bad-fingerprint', packet([attribute(0x8028, Buffer.of(0, 0))])],
    ['empty FINGERPRINT', 'bad-fingerprint', packet([attribute(0x8028, '')])],
    ['right FINGERPRINT that is not the last', 'bad-fingerprint', fingerprintBefore(attribute(0x0006, 'x'))],
    ['FINGERPRINT twice', 'bad-fingerprint', fingerprintBefore(attribute(0x8028, Buffer.of(1, 2, 3, 4)))],
    [
      'wrong FINGERPRINT behind a malformed attribute',
      'bad-fingerprint',
      packet([attribute(0x000d, 'x'), attribute(0x8028, Buffer.of(0, 0, 0, 0))]),
    ],
  ];
  for (const [name, fault, bytes] of cases) {
    test(`${name}: ${fault}`, () => assert.deepEqual(decodeMessage(bytes), { ok: false, fault, request: undefined }));
  }
});

test('what those with a misplaced FINGERPRINT are made of is right where it is the last', () => {
  assert.equal(decodeMessage(fingerprintBefore(new Uint8Array(0))).ok, true);
});

describe('attributes that are malformed', () => {
  const utf8 = (...bytes: number[]) => Buffer.from(bytes);
  const cases: readonly (readonly [string, number, Uint8Array | string])[] = [
    ['MAPPED-ADDRESS empty', 0x0001, ''],
    ['MAPPED-ADDRESS without address', 0x0001, Buffer.of(0, 1, 0, 80)],
    ['MAPPED-ADDRESS family 0', 0x0001, Buffer.of(0, 0, 0, 80, 192, 0, 2, 1)],
    ['MAPPED-ADDRESS family 3', 0x0001, Buffer.of(0, 3, 0, 80, 192, 0, 2, 1)],
    ['MAPPED-ADDRESS IPv6 with 4 bytes', 0x0001, Buffer.of(0, 2, 0, 80, 192, 0, 2, 1)],
    ['MAPPED-ADDRESS IPv4 with 16 bytes', 0x0001, Buffer.from([0, 1, 0, 80, ...new Uint8Array(16)])],
    ['XOR-PEER-ADDRESS too long', 0x0012, Buffer.of(0, 1, 0, 80, 192, 0, 2, 1, 0)],
    ['XOR-PEER-ADDRESS too short', 0x0012, Buffer.of(0, 1, 0, 80, 192, 0, 2)],
    ['XOR-RELAYED-ADDRESS family 0xff', 0x0016, Buffer.of(0, 0xff, 0, 80, 192, 0, 2, 1)],
    ['XOR-MAPPED-ADDRESS empty', 0x0020, ''],
    ['USERNAME of 764 bytes', 0x0006, 'x'.repeat(764)],
    ['USERNAME of 60,000 bytes', 0x0006, 'x'.repeat(60_000)],
    ['USERNAME with a stray continuation byte', 0x0006, utf8(0x61, 0x80)],
    ['USERNAME with an overlong slash', 0x0006, utf8(0xc0, 0xaf)],
    ['USERNAME with half a character', 0x0006, utf8(0xe3, 0x83)],
    ['USERNAME with a surrogate', 0x0006, utf8(0xed, 0xa0, 0x80)],
    ['USERNAME beyond U+10FFFF', 0x0006, utf8(0xf4, 0x90, 0x80, 0x80)],
    ['REALM of 764 bytes', 0x0014, 'x'.repeat(764)],
    ['NONCE of 764 bytes', 0x0015, 'x'.repeat(764)],
    ['NONCE in Latin-1', 0x0015, utf8(0xe9)],
    ['USERHASH of 31 bytes', 0x001e, new Uint8Array(31)],
    ['ERROR-CODE of 3 bytes', 0x0009, Buffer.of(0, 0, 4)],
    ['ERROR-CODE of class 2', 0x0009, Buffer.of(0, 0, 2, 0)],
    ['ERROR-CODE of class 7', 0x0009, Buffer.of(0, 0, 7, 0)],
    ['ERROR-CODE with number 100', 0x0009, Buffer.of(0, 0, 4, 100)],
    ['ERROR-CODE with a long reason', 0x0009, `\0\0\x04\x00${'x'.repeat(764)}`],
    ['ERROR-CODE with a reason that is no UTF-8', 0x0009, Buffer.of(0, 0, 4, 0, 0xff)],
    ['UNKNOWN-ATTRIBUTES of 3 bytes', 0x000a, Buffer.of(0, 1, 0)],
    ['PASSWORD-ALGORITHM empty', 0x001d, ''],
    ['PASSWORD-ALGORITHM cut', 0x001d, Buffer.of(0, 1, 0)],
    ['PASSWORD-ALGORITHM with parameters beyond', 0x001d, Buffer.of(0, 1, 0, 1)],
    ['PASSWORD-ALGORITHM twice in one', 0x001d, Buffer.of(0, 1, 0, 0, 0, 2, 0, 0)],
    ['CHANNEL-NUMBER of 2 bytes', 0x000c, Buffer.of(0x40, 0)],
    ['LIFETIME empty', 0x000d, ''],
    ['LIFETIME of 8 bytes', 0x000d, new Uint8Array(8)],
    ['EVEN-PORT empty', 0x0018, ''],
    ['EVEN-PORT of 4 bytes', 0x0018, new Uint8Array(4)],
    ['REQUESTED-TRANSPORT of 1 byte', 0x0019, Buffer.of(17)],
    ['DONT-FRAGMENT with a value', 0x001a, Buffer.of(1)],
    ['RESERVATION-TOKEN of 7 bytes', 0x0022, new Uint8Array(7)],
    ['REQUESTED-ADDRESS-FAMILY of 1 byte', 0x0017, Buffer.of(1)],
    ['MESSAGE-INTEGRITY empty', 0x0008, ''],
    ['MESSAGE-INTEGRITY of 16 bytes', 0x0008, new Uint8Array(16)],
    ['MESSAGE-INTEGRITY of 32 bytes', 0x0008, new Uint8Array(32)],
    ['MESSAGE-INTEGRITY-SHA256 of 12 bytes', 0x001c, new Uint8Array(12)],
    ['MESSAGE-INTEGRITY-SHA256 of 30 bytes', 0x001c, new Uint8Array(30)],
    ['MESSAGE-INTEGRITY-SHA256 of 36 bytes', 0x001c, new Uint8Array(36)],
  ];
  const header = { class: 'request', method: 3, transactionId: TRANSACTION_ID };
  for (const [name, type, value] of cases) {
    test(`${name}: a request can be answered with 400`, () => {
      const expected = { fault: 'malformed-attribute', ...header, attributes: {} };
      assert.deepEqual(faultOf(packet([attribute(type, value)])), { ...expected, unknownRequired: [] });
      const both = packet([attribute(0x7abc, 'unknown'), attribute(type, value)]);
      assert.deepEqual(faultOf(both), { ...expected, unknownRequired: [0x7abc] });
      const indication = decodeMessage(packet([attribute(type, value)], { type: 0x0016 }));
      const silent = { ok: false, fault: 'malformed-attribute', request: undefined };
      assert.deepEqual(indication, silent, 'but an indication has no answer');
    });
  }

  test('an attribute that runs over the end', () => {
    const expected = { fault: 'truncated-attribute', ...header, unknownRequired: [] };
    for (const length of [5, 8, 0xfffc, 0xffff]) {
      const bytes = Buffer.of(0x00, 0x06, length >>> 8, length & 0xff, 1, 2, 3, 4);
      assert.deepEqual(faultOf(packet([bytes])), { ...expected, attributes: {} });
      const after = faultOf(packet([attribute(0x0006, 'alice'), bytes]));
      assert.deepEqual(after, { ...expected, attributes: { username: 'alice' } });
      const response = decodeMessage(packet([bytes], { type: 0x0103 }));
      assert.deepEqual(response, { ok: false, fault: 'truncated-attribute', request: undefined });
    }
  });
});

/** The fault of a broken request, and what could be read of it. */
function faultOf(bytes: Uint8Array) {
  const result = decodeMessage(bytes);
  assert.ok(!result.ok && result.request !== undefined);
  const { class: messageClass, method, transactionId, attributes, unknownRequired } = result.request;
  return { fault: result.fault, class: messageClass, method, transactionId, attributes, unknownRequired };
}

/** A FINGERPRINT that is right for where it stands and for the length in the header, but not the last attribute. */
function fingerprintBefore(tail: Uint8Array): Uint8Array {
  const whole = packet([attribute(0x8028, Buffer.of(0, 0, 0, 0)), tail]);
  const value = Buffer.alloc(4);
  value.writeUInt32BE((crc32(whole.subarray(0, 20)) ^ 0x5354554e) >>> 0);
  whole.set(value, 24);
  return whole;
}
