import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { formatPrefix, type Prefix, parsePrefix, prefixContains } from '../../src/net/prefix.ts';

describe('parsePrefix', () => {
  const taken: readonly (readonly [string, string])[] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['192.0.2.1', '192.0.2.1/32'],
    ['2001:DB8:0::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
    ['100.64.0.0/10', '100.64.0.0/10'],
    ['fe80::/10', 'fe80::/10'],
  ];
  for (const [text, canonical] of taken) {
    test(text, () => {
      const prefix = parsePrefix(text);
      assert.equal(prefix && formatPrefix(prefix), canonical);
    });
  }

  // biome-ignore format: a table
  const refused = [
    '', '/', '/8', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/8/8', '10.0.0.1/8', '100.64.0.0/9', '::/129', '2001:db8::/28',
    'fe80::1%eth0', 'fe80::%eth0/10', '10.0.0.0/255.0.0.0', '10/8',
  ];
  for (const text of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parsePrefix(text), undefined));
  }
});

describe('prefixContains', () => {
  test('first and last address of a block, and those next to them', () => {
    const block = required('100.64.0.0/10');
    assert.equal(prefixContains(block, bytes('100.64.0.0')), true);
    assert.equal(prefixContains(block, bytes('100.127.255.255')), true);
    assert.equal(prefixContains(block, bytes('100.63.255.255')), false);
    assert.equal(prefixContains(block, bytes('100.128.0.0')), false);
  });

  test('families never match across', () => {
    assert.equal(prefixContains(required('0.0.0.0/0'), bytes('::')), false);
    assert.equal(prefixContains(required('::/0'), bytes('0.0.0.0')), false);
    assert.equal(prefixContains(required('::ffff:0:0/96'), bytes('192.0.2.1')), false);
  });

  test('a part of ::ffff:0:0/96 is the IPv4 prefix in it', () => {
    assert.equal(prefixContains(required('::ffff:192.0.2.0/120'), bytes('192.0.2.1')), true);
    assert.equal(prefixContains(required('::ffff:192.0.2.1'), bytes('192.0.2.2')), false);
  });

  test('agrees with node:net', () => {
    const width = fc.constantFrom(4, 16);
    const near = width.chain((size) =>
      fc.record({
        network: fc.uint8Array({ minLength: size, maxLength: size }),
        bits: fc.integer({ min: 1, max: size * 8 }),
        flipped: fc.nat(size * 8 - 1),
      }),
    );
    fc.assert(
      fc.property(near, ({ network, bits, flipped }) => {
        const address = network.map((byte, index) =>
          index === flipped >>> 3 ? byte ^ (0x80 >>> (flipped & 7)) : byte,
        );
        const base = network.map((byte, index) => byte & (0xff00 >>> Math.min(8, Math.max(0, bits - index * 8))));
        const family = network.length === 4 ? 'ipv4' : 'ipv6';
        const list = new BlockList();
        list.addSubnet(formatAddress(base), bits, family);
        const prefix = required(`${formatAddress(base)}/${bits}`);
        assert.equal(prefixContains(prefix, address), list.check(formatAddress(address), family));
        assert.equal(prefixContains(prefix, network), true);
      }),
    );
  });
});

function required(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert.ok(prefix, text);
  return prefix;
}

function bytes(text: string): Uint8Array {
  const address = parseAddress(text);
  assert.ok(address, text);
  return address;
}
