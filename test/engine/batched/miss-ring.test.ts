import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { localAddressIn, MissReader, MissWriter } from '../../../src/engine/batched/miss-ring.ts';
import { createRingMemory } from '../../../src/engine/batched/ring.ts';
import { until } from '../conformance/rig.ts';

const RING = 1024;

test('what is written comes out, in order and whole; what has no room is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.nat(400), { maxLength: 12 }), { maxLength: 20 }), async (rounds) => {
      const memory = createRingMemory(RING);
      const got: string[] = [];
      const reader = new MissReader(memory, (place, generation, ends, payload) => {
        const sender = ends.getUint32(0, true);
        got.push(`${place} ${generation} ${sender} ${localAddressIn(ends)} ${payload.toString('hex')}`);
      });
      const writer = new MissWriter(memory);
      let number = 0;
      for (const round of rounds) {
        const wanted: string[] = [];
        let held = 0;
        for (const length of round) {
          number += 1;
          const from = { words: new Int32Array(100), bytes: new Uint8Array(512).fill(number) };
          // A sockaddr's family, and behind it an address that the datagram may have been sent to.
          from.words[5] = (number << 16) | 2;
          from.words[20] = 0x04030201;
          const local = number % 2 === 0 ? 20 : -1;
          const kept = writer.write(number, 7, from, 5, local, 16, length);
          if (kept) {
            held += length;
            const address = local < 0 ? undefined : '1.2.3.4';
            wanted.push(`${number} 7 ${from.words[5]} ${address} ${Buffer.alloc(length, number).toString('hex')}`);
          } else {
            // Less than half a ring is refused to nobody: a record of 400 bytes finds room in front or behind.
            assert.ok(held + length + 72 * (wanted.length + 1) + 8 * wanted.length > RING / 2 - 8);
          }
        }
        writer.wakeReader();
        await until(() => got.length === wanted.length, 'the reader');
        assert.deepEqual(got.splice(0), wanted);
      }
      reader.close();
    }),
    { numRuns: 100 },
  );
});

test('a reader that is closed hands nothing over', async () => {
  const memory = createRingMemory(RING);
  let heard = 0;
  const reader = new MissReader(memory, () => {
    heard += 1;
  });
  reader.close();
  const writer = new MissWriter(memory);
  writer.write(1, 1, { words: new Int32Array(8), bytes: new Uint8Array(8) }, 0, -1, 0, 8);
  writer.wakeReader();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(heard, 0);
});
