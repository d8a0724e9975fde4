import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../src/net/address.ts';
import { type Endpoint, endpointKey, parseEndpoint, sameEndpoint } from '../../src/net/endpoint.ts';

describe('parseEndpoint', () => {
  const taken: readonly (readonly [string, Endpoint])[] = [
    ['192.0.2.1:80', { family: 4, address: '192.0.2.1', port: 80 }],
    ['0.0.0.0:0', { family: 4, address: '0.0.0.0', port: 0 }],
    ['[2001:DB8:0::1]:65535', { family: 6, address: '2001:db8::1', port: 65_535 }],
    ['[::ffff:192.0.2.1]:1', { family: 6, address: '::ffff:c000:201', port: 1 }],
    ['[fe80::1%eth0]:3478', { family: 6, address: 'fe80::1', port: 3478 }],
  ];
  for (const [text, endpoint] of taken) test(text, () => assert.deepEqual(parseEndpoint(text), endpoint));

  // biome-ignore format: a table
  const refused = [
    '', ':', '192.0.2.1', '192.0.2.1:', '192.0.2.1:65536', '192.0.2.1:080', '192.0.2.1:-1', '192.0.2.1:1e3', '192.0.2.1: 80', ':80', '[]:80',
    '[192.0.2.1]:80', '2001:db8::1:80', '[2001:db8::1]', '[2001:db8::1]80', '[2001:db8::1:80', '2001:db8::1]:80', 'localhost:80', '192.0.2.1:80:80',
  ];
  for (const text of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseEndpoint(text), undefined));
  }

  test('is the inverse of endpointKey', () => {
    fc.assert(
      fc.property(endpoint, (value) => {
        const parsed = parseEndpoint(endpointKey(value));
        assert.deepEqual(parsed, value);
        assert.ok(sameEndpoint(value, parsed));
      }),
    );
  });
});

test('endpoints differ by address and by port', () => {
  const a: Endpoint = { family: 4, address: '192.0.2.1', port: 80 };
  assert.equal(sameEndpoint(a, { ...a }), true);
  assert.equal(sameEndpoint(a, { ...a, port: 81 }), false);
  assert.equal(sameEndpoint(a, { ...a, address: '192.0.2.2' }), false);
});

const endpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.constantFrom<4 | 6>(4, 6), fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535))
  .map(([family, bytes, port]) => ({
    family,
    address: formatAddress(family === 4 ? bytes.subarray(0, 4) : bytes),
    port,
  }));
