import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slab } from '../../../src/engine/portable/slab.ts';

test('no two regions overlap, also across full slabs and for the largest packets', () => {
  const slab = new Slab();
  const regions: Uint8Array[] = [];
  for (let n = 0; n < 400; n++) regions.push(slab.take(n % 7 === 0 ? 65_535 : 1 + n * 3).fill(n));
  for (const [n, region] of regions.entries())
    assert.ok(
      region.every((byte) => byte === n % 256),
      `region ${n}`,
    );
});

test('a copy is a copy', () => {
  const packet = Uint8Array.of(1, 2, 3);
  const copy = new Slab().copy(packet);
  packet.fill(0);
  assert.deepEqual(Uint8Array.from(copy), Uint8Array.of(1, 2, 3));
});
