import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChannelDataEncodeError, decodeChannelData, encodeChannelData } from '../../../src/wire/turn/channel-data.ts';

describe('ChannelData', () => {
  test('round trip, padded or not', () => {
    const channel = fc.integer({ min: 0x4000, max: 0x7fff });
    fc.assert(
      fc.property(channel, fc.uint8Array({ maxLength: 100 }), fc.boolean(), (number, data, padded) => {
        const packet = encodeChannelData(number, data, padded);
        assert.equal(packet.length, padded ? 4 + Math.ceil(data.length / 4) * 4 : 4 + data.length);
        assert.ok(packet.subarray(4 + data.length).every((byte) => byte === 0));
        assert.deepEqual(decodeChannelData(packet), { channel: number, data });
      }),
    );
  });

  test('the data is a plain view into the packet', () => {
    const packet = Buffer.from([0x40, 0x00, 0x00, 0x02, 1, 2, 0xff, 0xff]);
    const decoded = decodeChannelData(packet.subarray(0));
    assert.deepEqual(decoded, { channel: 0x4000, data: Uint8Array.of(1, 2) });
    assert.equal(decoded.data.buffer, packet.buffer);
  });

  const refused: readonly (readonly [string, readonly number[]])[] = [
    ['nothing', []],
    ['three bytes', [0x40, 0, 0]],
    ['channel 0x3FFF', [0x3f, 0xff, 0, 0]],
    ['channel 0x8000', [0x80, 0, 0, 0]],
    ['one byte missing', [0x40, 0, 0, 2, 1]],
    ['length 65,535 and nothing', [0x40, 0, 0xff, 0xff]],
  ];
  for (const [name, bytes] of refused) {
    test(`refuses ${name}`, () => assert.equal(decodeChannelData(Uint8Array.from(bytes)), undefined));
  }

  test('takes empty data, the ends of the range, and any padding', () => {
    assert.equal(decodeChannelData(Uint8Array.of(0x40, 0, 0, 0))?.data.length, 0);
    assert.equal(decodeChannelData(Uint8Array.of(0x7f, 0xff, 0, 0))?.channel, 0x7fff);
    assert.equal(decodeChannelData(Uint8Array.of(0x40, 0, 0, 1, 7, 9, 9, 9))?.data.length, 1);
  });

  test('throws for what has no encoding', () => {
    for (const channel of [0, 0x3fff, 0x8000, 16_384.5, Number.NaN]) {
      assert.throws(() => encodeChannelData(channel, new Uint8Array(0), false), ChannelDataEncodeError);
    }
    assert.throws(() => encodeChannelData(0x4000, new Uint8Array(65_536), false), ChannelDataEncodeError);
    assert.equal(encodeChannelData(0x4000, new Uint8Array(65_535), true).length, 65_540);
  });
});
