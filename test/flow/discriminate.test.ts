import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  channelOf,
  MALFORMED_CHANNEL_DATA,
  NO_RECEIVER,
  NOT_CHANNEL_DATA,
  receiverOf,
} from '../../src/flow/discriminate.ts';
import { channelData } from './example.ts';

test('ChannelData of every channel, size and padding is known by its number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0x4000, max: 0x7fff }), fc.uint8Array(), fc.nat(7), (number, data, padding) => {
      assert.equal(channelOf(channelData(number, data, padding)), number);
    }),
  );
});

test('a length beyond the datagram is malformed, by one byte or by many', () => {
  assert.equal(channelOf(Uint8Array.of(0x40, 0, 0, 1)), MALFORMED_CHANNEL_DATA);
  assert.equal(channelOf(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1, 2)), MALFORMED_CHANNEL_DATA);
  assert.equal(channelOf(Uint8Array.of(0x40, 0, 0)), MALFORMED_CHANNEL_DATA);
});

test('other first bytes are no ChannelData', () => {
  assert.equal(channelOf(new Uint8Array(0)), NOT_CHANNEL_DATA);
  for (const first of [0x00, 0x01, 0x3f, 0x80, 0xff]) {
    assert.equal(channelOf(Uint8Array.of(first, 0, 0, 0)), NOT_CHANNEL_DATA);
  }
});

test('WireGuard receivers are read where each type has them', () => {
  const index = 0xdeadbeef;
  for (const { type, size, offset } of [
    { type: 2, size: 92, offset: 8 },
    { type: 3, size: 64, offset: 4 },
    { type: 4, size: 32, offset: 4 },
    { type: 4, size: 1452, offset: 4 },
  ]) {
    const message = new Uint8Array(size);
    message[0] = type;
    new DataView(message.buffer).setUint32(offset, index, true);
    assert.equal(receiverOf(message), index, `type ${type} of ${size}`);
    message[2] = 1;
    assert.equal(receiverOf(message), NO_RECEIVER, 'reserved bytes are zero');
  }
});

test('initiations and wrong sizes name no receiver', () => {
  for (const [type, size] of [
    [1, 148],
    [2, 91],
    [2, 93],
    [3, 63],
    [3, 65],
    [4, 31],
    [5, 92],
    [0, 64],
  ] as const) {
    const message = new Uint8Array(size);
    message[0] = type;
    assert.equal(receiverOf(message), NO_RECEIVER, `type ${type} of ${size}`);
  }
  assert.equal(receiverOf(new Uint8Array(0)), NO_RECEIVER);
});
