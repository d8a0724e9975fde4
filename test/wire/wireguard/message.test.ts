import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NO_RECEIVER, receiverOf } from '../../../src/flow/discriminate.ts';
import {
  decodeWireguard,
  encodeWireguard,
  WireguardEncodeError,
  type WireguardMessage,
} from '../../../src/wire/wireguard/message.ts';
import { messages } from './arbitraries.ts';

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

const RESPONSE: WireguardMessage = {
  type: 'response',
  sender: 0x01020304,
  receiver: 0xa1a2a3a4,
  ephemeral: filled(32, 1),
  encryptedNothing: filled(16, 2),
  mac1: filled(16, 3),
  mac2: filled(16, 4),
};

test('fields stand where the whitepaper has them', () => {
  const packet = Buffer.from(encodeWireguard(RESPONSE)).toString('hex');
  const expected = ['02000000', '04030201', 'a4a3a2a1', '01'.repeat(32), '02'.repeat(16), '03'.repeat(16)];
  assert.equal(packet, `${expected.join('')}${'04'.repeat(16)}`);
});

test('whatever can be said comes back', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const packet = encodeWireguard(message);
      assert.deepEqual(decodeWireguard(packet), message);
      // The engine's discriminator must see the same receiver that the codec sees.
      const receiver = message.type === 'initiation' ? NO_RECEIVER : message.receiver;
      assert.equal(receiverOf(packet), receiver);
    }),
  );
});

test('a decoded message encodes to the bytes that it came from', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 160 }), fc.nat(5), fc.boolean(), (noise, type, shaped) => {
      const sizes = [20, 148, 92, 64, 40, 33];
      const packet = new Uint8Array(shaped ? (sizes[type] ?? 4) : noise.length);
      packet.set(noise.subarray(0, packet.length));
      packet.set([type, 0, 0, 0]);
      const message = decodeWireguard(packet);
      if (typeof message === 'string') assert.equal(receiverOf(packet), NO_RECEIVER);
      else assert.deepEqual(encodeWireguard(message), packet);
    }),
  );
});

const refused: readonly [string, Uint8Array, string][] = [
  ['nothing', new Uint8Array(), 'not-wireguard'],
  ['three bytes', Uint8Array.of(1, 0, 0), 'not-wireguard'],
  ['type 0', filled(148, 0), 'not-wireguard'],
  ['type 5', Uint8Array.of(5, ...filled(147, 0)), 'not-wireguard'],
  ['a reserved byte that is not zero', Uint8Array.of(4, 0, 1, 0, ...filled(28, 0)), 'not-wireguard'],
  [
    'a pair handshake, whose first byte is that of data',
    Uint8Array.of(4, 0xb2, 0x80, 0, ...filled(52, 0)),
    'not-wireguard',
  ],
  ['an initiation of 147 bytes', Uint8Array.of(1, ...filled(146, 0)), 'malformed-length'],
  ['an initiation of 149 bytes', Uint8Array.of(1, ...filled(148, 0)), 'malformed-length'],
  ['a response of 93 bytes', Uint8Array.of(2, ...filled(92, 0)), 'malformed-length'],
  ['a cookie reply of 63 bytes', Uint8Array.of(3, ...filled(62, 0)), 'malformed-length'],
  ['data of 31 bytes', Uint8Array.of(4, ...filled(30, 0)), 'malformed-length'],
];
for (const [name, packet, reason] of refused) {
  test(`${name} is refused as ${reason}`, () => assert.equal(decodeWireguard(packet), reason));
}

test('a datagram inside a larger buffer is read from its own beginning', () => {
  const room = new Uint8Array(200).fill(9);
  room.set(encodeWireguard(RESPONSE), 50);
  assert.deepEqual(decodeWireguard(room.subarray(50, 142)), RESPONSE);
});

test('what fits no message is a mistake of the caller', () => {
  for (const wrong of [
    { ...RESPONSE, sender: -1 },
    { ...RESPONSE, receiver: 2 ** 32 },
    { ...RESPONSE, mac1: filled(15, 0) },
    { type: 'data', receiver: 1, counter: 0n, ciphertext: filled(15, 0) },
    { type: 'data', receiver: 1, counter: 2n ** 64n, ciphertext: filled(16, 0) },
  ] as WireguardMessage[]) {
    assert.throws(() => encodeWireguard(wrong), WireguardEncodeError);
  }
});
