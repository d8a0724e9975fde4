import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeCookieReply, openCookieReply } from '../../../src/wire/wireguard/cookie.ts';
import {
  computeMac1,
  computeMac2,
  cookieKey,
  hasMac1,
  hasMac2,
  mac1Key,
  sign,
  withoutMac2,
} from '../../../src/wire/wireguard/mac.ts';
import { decodeWireguard } from '../../../src/wire/wireguard/message.ts';
import { seededRandom } from '../../service/seeded.ts';

const PUBLIC_KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** Type, three zeros, then a sequence; the MACs are zero. */
function message(type: number, length: number, factor: number, start: number): Uint8Array {
  const packet = new Uint8Array(length);
  packet[0] = type;
  for (let index = 0; index < length - 36; index++) packet[4 + index] = index * factor + start;
  return packet;
}

test('the vectors of wire-formats', () => {
  const key = mac1Key(PUBLIC_KEY);
  assert.equal(hex(key), '4fb2527ac956001553dc1ad9b55171b7d9daa3de1cdbcd71451830170c7e6cac');
  assert.equal(hex(computeMac1(message(1, 148, 7, 3), key)), 'c2e340bd2ae155470af8313b73ca2d45');
  assert.equal(hex(computeMac1(message(2, 92, 5, 1), key)), 'cb3d4943c2bc507fd70009194c5033fa');
});

test('a signed message has both MACs, and no changed one has', () => {
  const key = mac1Key(PUBLIC_KEY);
  const cookie = new Uint8Array(16).fill(5);
  fc.assert(
    fc.property(fc.constantFrom(148, 92), fc.nat(), fc.integer({ min: 1, max: 255 }), (length, where, flip) => {
      const packet = sign(message(length === 148 ? 1 : 2, length, 7, 3), key, cookie);
      assert.ok(hasMac1(packet, key) && hasMac2(packet, cookie));
      const at = where % (length - 16);
      packet[at] = (packet[at] ?? 0) ^ flip;
      assert.ok(!hasMac1(packet, key));
      assert.ok(!hasMac2(packet, cookie));
    }),
  );
});

test('mac1 names one recipient, mac2 one cookie', () => {
  const packet = sign(message(1, 148, 7, 3), mac1Key(PUBLIC_KEY), new Uint8Array(16).fill(5));
  assert.ok(!hasMac1(packet, mac1Key(new Uint8Array(32))));
  assert.ok(!hasMac2(packet, new Uint8Array(16)));
});

test('without mac2 everything else stays, and the original too', () => {
  const key = mac1Key(PUBLIC_KEY);
  const packet = sign(message(1, 148, 7, 3), key, new Uint8Array(16).fill(5));
  const before = packet.slice();
  const stripped = withoutMac2(packet);
  assert.deepEqual(packet, before);
  assert.deepEqual(stripped.subarray(0, 132), packet.subarray(0, 132));
  assert.deepEqual(stripped.subarray(132), new Uint8Array(16));
  assert.ok(hasMac1(stripped, key));
});

test('a cookie reply opens for who knows the key and sent the mac1, and for nobody else', () => {
  const cookie = Uint8Array.from({ length: 16 }, (_, index) => 0xf0 + index);
  const mac1 = computeMac2(message(1, 148, 7, 3), cookie);
  const packet = encodeCookieReply({ sender: 0xdeadbeef, mac1 }, cookieKey(PUBLIC_KEY), cookie, seededRandom('cookie'));
  const reply = decodeWireguard(packet);
  assert.ok(typeof reply !== 'string' && reply.type === 'cookie');
  assert.equal(reply.receiver, 0xdeadbeef);
  assert.deepEqual(openCookieReply(reply, cookieKey(PUBLIC_KEY), mac1), cookie);
  assert.equal(openCookieReply(reply, cookieKey(new Uint8Array(32)), mac1), undefined);
  assert.equal(openCookieReply(reply, cookieKey(PUBLIC_KEY), new Uint8Array(16)), undefined);
});

test('a message without MACs is a mistake of the caller', () => {
  assert.throws(() => computeMac1(new Uint8Array(64), mac1Key(PUBLIC_KEY)), TypeError);
});
