import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import { type Frame, FramerMisuseError, StreamFramer } from '../../../src/wire/stun/framing.ts';
import { encodeChannelData } from '../../../src/wire/turn/channel-data.ts';
import { message } from './arbitraries.ts';
import { hex, TRANSACTION_ID } from './helpers.ts';

describe('StreamFramer', () => {
  test('any cutting of a stream gives the same messages', () => {
    const channelData = fc
      .tuple(fc.integer({ min: 0x4000, max: 0x7fff }), fc.uint8Array({ maxLength: 40 }))
      .map(([channel, data]) => encodeChannelData(channel, data, true));
    const stunMessage = message.map((value) => encodeMessage(value));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(channelData, stunMessage), { maxLength: 8 }),
        fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 20 }),
        (messages, sizes) => {
          const stream = Buffer.concat(messages);
          const framer = new StreamFramer();
          const out: string[] = [];
          for (let offset = 0, turn = 0; offset < stream.length; turn++) {
            // Now and then nothing at all; never nothing for ever.
            const size = (sizes[turn % sizes.length] ?? 0) + (turn % sizes.length === 0 ? 1 : 0);
            const chunk = Buffer.from(stream.subarray(offset, offset + size));
            offset += size;
            framer.push(chunk);
            out.push(...drain(framer).map(hex));
            // The receive buffer is used again at once.
            chunk.fill(0xee);
          }
          assert.deepEqual(out, messages.map(hex));
          assert.equal(framer.pendingBytes, 0);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('whole messages are views into the chunk, with nothing copied', () => {
    const one = encodeChannelData(0x4000, Buffer.from('hello'), true);
    const chunk = new Uint8Array([...one, ...binding(), ...one.subarray(0, 3)]);
    const framer = new StreamFramer();
    framer.push(chunk);
    const frames = drain(framer);
    assert.deepEqual(
      frames.map((frame) => [frame.buffer === chunk.buffer, frame.byteOffset]),
      [
        [true, 0],
        [true, one.length],
      ],
    );
    assert.equal(framer.pendingBytes, 3);
  });

  test('messages handed out stay as they are while the next ones are collected', () => {
    const framer = new StreamFramer();
    const frames: Uint8Array[] = [];
    for (let channel = 0x4000; channel < 0x4010; channel++) {
      for (const byte of encodeChannelData(channel, Buffer.from('data'), true)) {
        framer.push(Uint8Array.of(byte));
        frames.push(...drain(framer));
      }
    }
    assert.deepEqual(
      frames.map((frame) => ((frame[0] ?? 0) << 8) | (frame[1] ?? 0)),
      [...new Array(16).keys()].map((i) => 0x4000 + i),
    );
  });

  test('the largest messages, byte by byte, in linear time', () => {
    const largest = [
      encodeChannelData(0x4000, new Uint8Array(65_535).fill(1), true),
      encodeMessage({ ...head, attributes: { data: new Uint8Array(65_528).fill(2) } }),
    ];
    for (const whole of largest) {
      const framer = new StreamFramer();
      for (let index = 0; index < whole.length - 1; index++) {
        framer.push(whole.subarray(index, index + 1));
        if (framer.next() !== 'need-more') assert.fail('too early');
      }
      framer.push(whole.subarray(-1));
      const frame = framer.next();
      assert.ok(frame instanceof Uint8Array);
      assert.ok(Buffer.from(whole).equals(frame));
      // The buffer that it was collected in is no larger than a message.
      assert.ok(frame.buffer.byteLength <= 20 + 0xfffc);
    }
  });

  test('a promise of 64 KiB costs only what was sent', () => {
    const framer = new StreamFramer();
    framer.push(Uint8Array.of(0x40, 0x00, 0xff, 0xff, 1, 2, 3));
    assert.equal(framer.next(), 'need-more');
    assert.equal(framer.pendingBytes, 7);
  });

  const faults: readonly (readonly [string, string, readonly number[]])[] = [
    ['bits 10 in front', 'not-stun', [0x80, 0, 0, 0]],
    ['TLS where plain text is due', 'bad-length', [0x16, 0x03, 0x01, 0x02, 0x01]],
    ['odd length', 'bad-length', [0, 1, 0, 2]],
    ['no cookie', 'no-magic-cookie', [0, 1, 0, 0, 0, 0, 0, 0]],
    ['half a cookie', 'no-magic-cookie', [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43]],
  ];
  for (const [name, fault, bytes] of faults) {
    test(`${name}: ${fault}, whether it comes at once or byte by byte, and for good`, () => {
      const atOnce = new StreamFramer();
      atOnce.push(Uint8Array.from([...binding(), ...bytes]));
      assert.ok(atOnce.next() instanceof Uint8Array);
      assert.deepEqual(atOnce.next(), { fault });
      atOnce.push(binding());
      assert.deepEqual(atOnce.next(), { fault });

      const slowly = new StreamFramer();
      let last: Frame = 'need-more';
      for (const byte of bytes) {
        assert.equal(last, 'need-more');
        slowly.push(Uint8Array.of(byte));
        last = slowly.next();
        if (typeof last === 'object') break;
      }
      assert.deepEqual(last, { fault });
      assert.equal(slowly.pendingBytes, 0);
    });
  }

  test('push before the last chunk is used up is a mistake of the caller', () => {
    const framer = new StreamFramer();
    framer.push(Uint8Array.from([...binding(), ...binding()]));
    framer.next();
    assert.throws(() => framer.push(binding()), FramerMisuseError);
  });
});

function drain(framer: StreamFramer): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (;;) {
    const frame = framer.next();
    if (frame === 'need-more') return frames;
    assert.ok(frame instanceof Uint8Array, JSON.stringify(frame));
    frames.push(frame);
  }
}

function binding(): Uint8Array {
  return encodeMessage({ ...head, attributes: { software: 'x' } });
}

const head = { class: 'request', method: 1, transactionId: TRANSACTION_ID } as const;
