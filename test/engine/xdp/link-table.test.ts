import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINK_TABLE_BYTES, readLinks, writeLinks } from '../../../src/engine/xdp/link-table.ts';
import type { Link } from '../../../src/sys/links.ts';

const link = fc.record({
  ifindex: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2 ** 31 - 1 })),
  address: fc.uint8Array({ minLength: 6, maxLength: 6 }),
});

/** As the program does. */
function lookUp(table: Buffer, spread: number, ifindex: number): string | undefined {
  const slot = Number((BigInt(ifindex) * BigInt(spread)) & 0xffff_ffffn) >>> 24;
  if (table.readUInt32LE(12 * slot) !== ifindex) return undefined;
  return table.subarray(12 * slot + 4, 12 * slot + 10).toString('hex');
}

function table(links: readonly Link[]): { readonly bytes: Buffer; readonly spread: number } {
  const bytes = Buffer.alloc(LINK_TABLE_BYTES);
  return { bytes, spread: writeLinks(bytes, 0, links) };
}

test('every interface is where the program looks for it', () => {
  const links = fc.uniqueArray(link, { maxLength: 24, selector: ({ ifindex }) => ifindex });
  fc.assert(
    fc.property(links, (all) => {
      const { bytes, spread } = table(all);
      for (const { ifindex, address } of all) {
        assert.equal(lookUp(bytes, spread, ifindex), Buffer.from(address).toString('hex'));
      }
      const read = readLinks(bytes, 0);
      assert.equal(read.length, all.length);
      for (const { ifindex, address } of read) {
        assert.deepEqual(Buffer.from(address), Buffer.from(all.find((one) => one.ifindex === ifindex)?.address ?? []));
      }
    }),
  );
});

test('of more than there is room for the first are there, and none is mistaken for another', () => {
  const all = Array.from({ length: 1000 }, (_, index) => ({
    ifindex: index + 1,
    address: Buffer.from((index + 1).toString(16).padStart(12, '0'), 'hex'),
  }));
  const { bytes, spread } = table(all);
  const found = all.filter(({ ifindex }) => lookUp(bytes, spread, ifindex) !== undefined);
  assert.equal(found.length, 256);
  for (const { ifindex, address } of found) assert.equal(lookUp(bytes, spread, ifindex), address.toString('hex'));
  assert.equal(found[0], all[0]);
});
