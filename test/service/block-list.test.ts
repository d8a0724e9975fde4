import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../src/net/address.ts';
import { formatPrefix, parsePrefix, prefixContains } from '../../src/net/prefix.ts';
import { BlockList } from '../../src/service/block-list.ts';
import { seededRandom } from './seeded.ts';
import { endpoint, prefix } from './turn/harness.ts';

const NOW = 1_800_000_000_000;

test('an address, a prefix of either family, and nothing beside them', () => {
  const blocks = new BlockList(seededRandom('blocks'));
  for (const text of ['192.0.2.1', '198.51.100.0/24', '2001:db8::/32', '203.0.113.128/25']) blocks.add(prefix(text));
  const verdict = (text: string) => blocks.isBlocked(endpoint(text), NOW);
  for (const text of ['192.0.2.1:1', '198.51.100.255:9', '[2001:db8:ffff::1]:5', '203.0.113.200:1']) {
    assert.ok(verdict(text), text);
  }
  for (const text of ['192.0.2.2:1', '198.51.101.0:9', '[2001:db9::1]:5', '203.0.113.127:1', '[::192.0.2.1]:1']) {
    assert.ok(!verdict(text), text);
  }
});

test('agrees with prefixContains', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  const prefixes = fc.array(fc.tuple(bytes, fc.nat(128)), { maxLength: 6 });
  fc.assert(
    fc.property(prefixes, bytes, (given, address) => {
      const blocks = new BlockList(seededRandom('blocks'));
      const wanted = given.flatMap(([network, bits]) => parsePrefix(`${masked(network, bits)}`) ?? []);
      for (const one of wanted) blocks.add(one);
      const from = endpoint(address.length === 4 ? `${formatAddress(address)}:1` : `[${formatAddress(address)}]:1`);
      assert.equal(
        blocks.isBlocked(from, NOW),
        wanted.some((one) => prefixContains(one, address)),
      );
      assert.equal(blocks.size, new Set(wanted.map(formatPrefix)).size);
    }),
  );
});

test('refused packets are counted, asking is not', () => {
  const blocks = new BlockList(seededRandom('blocks'));
  blocks.add(prefix('192.0.2.1'));
  assert.ok(blocks.refuses(endpoint('192.0.2.1:1'), NOW));
  assert.ok(!blocks.refuses(endpoint('192.0.2.2:1'), NOW));
  blocks.isBlocked(endpoint('192.0.2.1:1'), NOW);
  assert.equal(blocks.refused, 1);
});

test('a block ends at its time, or when it is taken away', () => {
  const blocks = new BlockList(seededRandom('blocks'));
  blocks.add(prefix('192.0.2.1'), NOW + 1000);
  blocks.add(prefix('192.0.2.0/24'));
  assert.equal(blocks.list(NOW).length, 2);
  assert.equal(blocks.list(NOW + 1000).length, 1);
  assert.ok(blocks.remove(prefix('192.0.2.0/24')));
  assert.ok(!blocks.remove(prefix('192.0.2.0/24')));
  assert.ok(blocks.isBlocked(endpoint('192.0.2.1:1'), NOW + 999));
  assert.ok(!blocks.isBlocked(endpoint('192.0.2.1:1'), NOW + 1000));
  assert.equal(blocks.size, 0);
});

test('so many strikes in the window block one address, for a while', () => {
  let changes = 0;
  const options = { limit: 5, window: 10_000, duration: 60_000, maxBlocks: 2 };
  const blocks = new BlockList(seededRandom('blocks'), options, () => changes++);
  const source = endpoint('192.0.2.1:1');
  for (let strike = 0; strike < 5; strike++) blocks.strike(source, NOW);
  assert.ok(!blocks.isBlocked(source, NOW));
  blocks.strike(source, NOW);
  assert.ok(blocks.isBlocked(source, NOW));
  assert.ok(!blocks.isBlocked(endpoint('192.0.2.2:1'), NOW));
  assert.equal(changes, 1);
  assert.deepEqual(
    blocks.list(NOW).map(({ reason, expiresAt }) => [reason, expiresAt]),
    [['rate', NOW + 60_000]],
  );
  assert.ok(!blocks.isBlocked(source, NOW + 60_000));
});

test('slow strikes never block, and without options nothing does', () => {
  const blocks = new BlockList(seededRandom('blocks'), { limit: 5, window: 10_000, duration: 60_000, maxBlocks: 2 });
  for (let second = 0; second < 100; second++) blocks.strike(endpoint('192.0.2.1:1'), NOW + second * 2000);
  const none = new BlockList(seededRandom('blocks'));
  for (let strike = 0; strike < 100; strike++) none.strike(endpoint('192.0.2.1:1'), NOW);
  assert.deepEqual([blocks.size, none.size], [0, 0]);
});

test('forged sources push out automatic blocks only', () => {
  const blocks = new BlockList(seededRandom('blocks'), { limit: 1, window: 1000, duration: 60_000, maxBlocks: 3 });
  blocks.add(prefix('198.51.100.1'));
  for (let host = 1; host <= 50; host++) {
    for (let strike = 0; strike < 2; strike++) blocks.strike(endpoint(`192.0.2.${host}:1`), NOW);
  }
  assert.equal(blocks.size, 4);
  assert.ok(blocks.isBlocked(endpoint('198.51.100.1:1'), NOW));
  assert.ok(blocks.isBlocked(endpoint('192.0.2.50:1'), NOW));
  assert.ok(!blocks.isBlocked(endpoint('192.0.2.1:1'), NOW));
});

/** The prefix of that length that the address lies in, as text. */
function masked(address: Uint8Array, length: number): string {
  const bits = Math.min(length, address.length * 8);
  const network = address.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return byte & (0xff00 >>> kept);
  });
  return `${formatAddress(network)}/${bits}`;
}
