import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AddressLengthError, formatAddress, formatIpv4, parseAddress, parseIpv4 } from '../../src/net/address.ts';

describe('formatAddress', () => {
  // RFC 5952 §4 and §5, as text in → canonical text out.
  const canonical: readonly (readonly [string, string])[] = [
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:0:1:2:3:4:5:6', '::1:2:3:4:5:6'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:1:2:3:4:5:6:7', '0:1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::1%eth0', 'fe80::1'],
    ['0a00:00b0:0c0c:d00d:f00:ff:100:fff', 'a00:b0:c0c:d00d:f00:ff:100:fff'],
  ];
  for (const [text, expected] of canonical) {
    test(`${text} → ${expected}`, () => assert.equal(format(text), expected));
  }

  test('parses back to the same bytes', () => {
    fc.assert(
      fc.property(addressBytes, (bytes) => {
        const text = formatAddress(bytes);
        assert.equal(isIP(text), bytes.length === 4 ? 4 : 6);
        assert.deepEqual(parseAddress(text), bytes);
        assert.equal(text, text.toLowerCase());
      }),
    );
  });

  test('refuses what is no address', () => {
    for (const length of [0, 3, 5, 15, 17])
      assert.throws(() => formatAddress(new Uint8Array(length)), AddressLengthError);
  });
});

describe('parseAddress', () => {
  // biome-ignore format: a table
  const refused = [
    '', ' ', ':', '::1 ', ' ::1', ':::', '1::2::3', ':1:2:3:4:5:6:7', '1:2:3:4:5:6:7:', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::',
    '12345::', 'g::', '::1%', '::%eth 0', '192.0.2', '192.0.2.1.5', '192.0.2.256', '192.0.2.01', '192.0.2.1%eth0', '192.0.2.', '.192.0.2', '192..0.2',
    '0x7f.0.0.1', '2130706433', '1.2.3.-4', '1.2.3.+4', '::192.0.2', '::192.0.2.1:1', '1:2:3:4:5:6:7:192.0.2.1', '192.0.2.1::', '::1/64', '[::1]',
    '١.2.3.4', '::ffff:192.0.2.1.1', '1:2:3:4:5:6:192.0.2.1:7',
  ];
  for (const text of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseAddress(text), undefined));
  }

  test('takes what node:net takes, and nothing else', () => {
    fc.assert(
      fc.property(addressLike, (text) => {
        const bytes = parseAddress(text);
        const family = bytes === undefined ? 0 : bytes.length === 4 ? 4 : 6;
        assert.equal(family, isIP(text));
      }),
      { numRuns: 5000 },
    );
  });
});

test('IPv4 as a number', () => {
  assert.equal(parseIpv4('192.0.2.1'), 0xc0000201);
  assert.equal(formatIpv4(0xc0000201), '192.0.2.1');
  assert.equal(formatIpv4(0xc0000201 | 0), '192.0.2.1');
});

function format(text: string): string | undefined {
  const bytes = parseAddress(text);
  return bytes && formatAddress(bytes);
}

const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
const addressBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc
    .array(group, { minLength: 8, maxLength: 8 })
    .map((groups) => Uint8Array.from(groups.flatMap((value) => [value >>> 8, value & 0xff]))),
);
const addressLike = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  addressBytes.map(formatAddress),
  // Address-like nonsense: pieces of addresses in any order.
  fc
    .array(
      fc.constantFrom(':', '::', '.', '%', '0', '1', '00', 'ff', 'FFFF', '12345', '255', '256', '1.2.3.4', 'eth0'),
      {
        maxLength: 16,
      },
    )
    .map((pieces) => pieces.join('')),
  fc
    .tuple(
      fc.array(fc.constantFrom('0', 'a', '1f', 'ABCD'), { maxLength: 9 }),
      fc.constantFrom('', '::', ':1.2.3.4', '%lo'),
    )
    .map(([groups, end]) => groups.join(':') + end),
);
