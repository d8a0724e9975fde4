import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, formatIpv4, parseAddress, parseIpv4 } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { type Prefix, parsePrefix } from '../../../src/net/prefix.ts';
import type { TurnConfig } from '../../../src/service/turn/config.ts';
import { PeerFilter, type PeerRefusal } from '../../../src/service/turn/peer-filter.ts';

type FilterConfig = ConstructorParameters<typeof PeerFilter>[0];

/** IPv4 ranges that are refused unless allowed: lowest, highest. */
const SPECIAL_IPV4: readonly (readonly [string, string])[] = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
];

/** IPv6 ranges: lowest, highest, the neighbours outside where those are public. */
const SPECIAL_IPV6: readonly (readonly [string, string, ...string[]])[] = [
  ['::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2000::'],
  ['4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['::', '::ffff:ffff'],
  ['::ffff:0:0', '::ffff:ffff:ffff'],
  ['::ffff:0:0:0', '::ffff:0:ffff:ffff'],
  ['64:ff9b::', '64:ff9b::ffff:ffff'],
  ['64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
  ['2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff', '2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:1::'],
  ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db9::'],
  ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2003::'],
  ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
];

/** Every way to write an IPv4 address into an IPv6 one, and the range that the form lies in. */
const CARRIERS: readonly { name: string; range: string; wrap: (high: string, low: string, ipv4: string) => string }[] =
  [
    { name: 'mapped', range: '::ffff:0:0/96', wrap: (_high, _low, ipv4) => `::ffff:${ipv4}` },
    { name: 'compatible', range: '::/96', wrap: (_high, _low, ipv4) => `::${ipv4}` },
    { name: 'translated', range: '::ffff:0:0:0/96', wrap: (_high, _low, ipv4) => `::ffff:0:${ipv4}` },
    { name: 'NAT64', range: '64:ff9b::/96', wrap: (_high, _low, ipv4) => `64:ff9b::${ipv4}` },
    {
      name: 'local NAT64',
      range: '64:ff9b:1::/48',
      wrap: (_high, _low, ipv4) => `64:ff9b:1:808:8:800::${ipv4}`.replace('::', ':'),
    },
    { name: '6to4', range: '2002::/16', wrap: (high, low) => `2002:${high}:${low}::1` },
    { name: 'Teredo server', range: '2001::/32', wrap: (high, low) => `2001:0:${high}:${low}:0:1:f7f7:f7f7` },
    { name: 'Teredo client', range: '2001::/32', wrap: (high, low) => `2001:0:808:808:0:1:${flip(high)}:${flip(low)}` },
    { name: 'ISATAP', range: '2606:4700::/32', wrap: (high, low) => `2606:4700:1:2:0:5efe:${high}:${low}` },
    { name: 'ISATAP, global', range: '2606:4700::/32', wrap: (high, low) => `2606:4700:1:2:200:5efe:${high}:${low}` },
  ];

test('IPv4: every special range is refused from edge to edge, and what is one outside is not', () => {
  const filter = new PeerFilter(config());
  for (const [lowest, highest] of SPECIAL_IPV4) {
    for (const address of [lowest, highest]) refused(filter, address, 'peer-special-purpose');
    for (const address of neighbours(lowest, highest)) accepted(filter, address);
  }
});

test('IPv6: every special range is refused from edge to edge, and what is one outside is not', () => {
  const filter = new PeerFilter(config());
  for (const [lowest, highest, ...outside] of SPECIAL_IPV6) {
    for (const address of [lowest, highest]) refused(filter, address, 'peer-special-purpose');
    for (const address of outside) accepted(filter, address);
  }
  for (const address of ['::1', 'fd00:ec2::254', '2001:10::1', '100::1', '3fff::1', '5f00::1']) {
    refused(filter, address, 'peer-special-purpose');
  }
});

for (const { name, range, wrap } of CARRIERS) {
  test(`IPv4 in IPv6, ${name}: what is refused bare is refused wrapped, even where the wrapping is allowed`, () => {
    const [byDefault, carrierAllowed] = [new PeerFilter(config()), new PeerFilter(config({ allow: [range] }))];
    for (const [lowest, highest] of SPECIAL_IPV4) {
      for (const ipv4 of [lowest, highest]) {
        const wrapped = wrapIpv4(wrap, ipv4);
        refused(byDefault, wrapped, 'peer-special-purpose');
        // Zeros are not 0.0.0.0 wrapped: they are the unspecified address, or the suffix of a shorter NAT64 prefix.
        if (!wrapped.endsWith('::')) refused(carrierAllowed, wrapped, 'peer-special-purpose');
      }
      for (const ipv4 of neighbours(lowest, highest)) accepted(carrierAllowed, wrapIpv4(wrap, ipv4));
    }
  });

  test(`IPv4 in IPv6, ${name}: allowing the bare range alone opens nothing, allowing both does`, () => {
    const wrapped = wrapIpv4(wrap, '10.1.2.3');
    refused(
      new PeerFilter(config({ allow: range.startsWith('2606') ? [] : ['10.0.0.0/8'] })),
      wrapped,
      'peer-special-purpose',
    );
    accepted(new PeerFilter(config({ allow: ['10.0.0.0/8', range] })), wrapped);
  });

  test(`IPv4 in IPv6, ${name}: a denied IPv4 address is denied wrapped`, () => {
    const filter = new PeerFilter(config({ allow: [range], deny: ['8.8.4.4/32'] }));
    refused(filter, wrapIpv4(wrap, '8.8.4.4'), 'peer-denied');
    accepted(filter, wrapIpv4(wrap, '8.8.4.5'));
  });

  test(`IPv4 in IPv6, ${name}: our own listener is refused wrapped`, () => {
    const own = [endpoint('8.8.4.4', 3478)];
    const filter = new PeerFilter(config({ allow: [range], ownEndpoints: own }));
    assert.equal(filter.refuse(endpoint(wrapIpv4(wrap, '8.8.4.4'), 3478)), 'peer-own-listener');
    assert.equal(filter.refuse(endpoint(wrapIpv4(wrap, '8.8.4.4'), 3479)), undefined);
  });
}

test('local NAT64 is read at every prefix length that RFC 6052 allows below a /48', () => {
  const filter = new PeerFilter(config({ allow: ['64:ff9b:1::/48'] }));
  refused(filter, '64:ff9b:1:7f08:8:800::', 'peer-special-purpose'); // /48: 127.8.8.8
  refused(filter, '64:ff9b:1:87f:8:808::', 'peer-special-purpose'); // /56: 127.8.8.8
  refused(filter, '64:ff9b:1:808:7f:808:800:0', 'peer-special-purpose'); // /64: 127.8.8.8
  accepted(filter, '64:ff9b:1:808:8:808:0:0');
});

test('allow opens a special range and nothing beside it', () => {
  const filter = new PeerFilter(config({ allow: ['10.1.0.0/16', 'fd00::/64'] }));
  accepted(filter, '10.1.255.255');
  refused(filter, '10.2.0.0', 'peer-special-purpose');
  accepted(filter, 'fd00::1');
  refused(filter, 'fd00:0:0:1::1', 'peer-special-purpose');
});

test('deny wins over allow, whichever is longer', () => {
  const filter = new PeerFilter(config({ allow: ['10.1.2.3/32', '10.5.0.0/16'], deny: ['10.0.0.0/8', '8.8.8.8/32'] }));
  for (const address of ['10.1.2.3', '10.5.1.1', '8.8.8.8']) refused(filter, address, 'peer-denied');
  accepted(filter, '8.8.8.9');
});

test('port 0 is no peer; for a permission the port does not count', () => {
  const filter = new PeerFilter(config());
  assert.equal(filter.refuse(endpoint('8.8.8.8', 0)), 'peer-port-zero');
  assert.equal(filter.refuseAddress(endpoint('8.8.8.8', 0)), undefined);
});

test('our own listeners are refused whatever is allowed', () => {
  const filter = new PeerFilter(
    config({
      allow: ['0.0.0.0/0', '::/0'],
      ownEndpoints: [endpoint('0.0.0.0', 3478), endpoint('127.0.0.1', 8666), endpoint('9.9.9.9', 5349)],
      ownAddresses: ['9.9.9.9', '2620:fe::9'],
      relay: { ipv4: { advertised: '9.9.9.8', bind: '10.0.0.8' } },
    }),
  );
  // A wildcard listens on everything that is ours.
  for (const address of [
    '9.9.9.9',
    '2620:fe::9',
    '9.9.9.8',
    '10.0.0.8',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0.0.0.0',
    '::',
  ]) {
    assert.equal(filter.refuse(endpoint(address, 3478)), 'peer-own-listener', address);
    assert.equal(filter.refuse(endpoint(address, 3479)), undefined, address);
  }
  assert.equal(filter.refuse(endpoint('8.8.8.8', 3478)), undefined);
  // One bound to an address listens there, and Linux takes the unspecified address for the machine itself.
  assert.equal(filter.refuse(endpoint('127.0.0.1', 8666)), 'peer-own-listener');
  assert.equal(filter.refuse(endpoint('0.0.0.0', 8666)), 'peer-own-listener');
  assert.equal(filter.refuse(endpoint('::ffff:7f00:1', 8666)), 'peer-own-listener');
  assert.equal(filter.refuse(endpoint('9.9.9.9', 8666)), undefined);
});

test('behind a static NAT both names of an address lead to the same listener', () => {
  for (const bound of ['9.9.9.8', '10.0.0.8']) {
    const filter = new PeerFilter(
      config({
        ownEndpoints: [endpoint(bound, 3478)],
        relay: { ipv4: { advertised: '9.9.9.8', bind: '10.0.0.8' } },
      }),
    );
    assert.equal(filter.refuse(endpoint('9.9.9.8', 3478)), 'peer-own-listener');
    assert.equal(filter.refuse(endpoint('10.0.0.8', 3478)), 'peer-own-listener');
  }
});

test('behind a static NAT whose inner address is not told, the outer one leads to every listener but those on loopback', () => {
  const filter = new PeerFilter(
    config({
      ownEndpoints: [endpoint('10.0.0.8', 3478), endpoint('127.0.0.1', 8666)],
      ownAddresses: ['10.0.0.8', '9.9.9.8'],
      relay: { ipv4: { advertised: '9.9.9.8', bind: '0.0.0.0' } },
    }),
  );
  assert.equal(filter.refuse(endpoint('9.9.9.8', 3478)), 'peer-own-listener');
  assert.equal(filter.refuse(endpoint('9.9.9.8', 3479)), undefined);
  assert.equal(filter.refuse(endpoint('9.9.9.8', 8666)), undefined);
  assert.equal(filter.refuse(endpoint('9.9.9.9', 3478)), undefined);
});

test('relayed addresses of our own are peers in special ranges too, but only on relayed ports', () => {
  const relay = { ipv4: { advertised: '203.0.113.7', bind: '10.0.0.7' }, ipv6: { advertised: 'fd00::7', bind: '::' } };
  const filter = new PeerFilter(config({ relay, ownEndpoints: [endpoint('0.0.0.0', 50000)] }));
  for (const address of ['203.0.113.7', '10.0.0.7', 'fd00::7']) {
    accepted(filter, address);
    assert.equal(filter.refuse(endpoint(address, 22)), 'peer-special-purpose');
    assert.equal(filter.refuse(endpoint(address, 50000)), 'peer-own-listener');
  }
  // A wildcard that relayed sockets are bound to is no address of ours, and a wrapped one is not written as ours.
  for (const address of ['::', '::ffff:a00:7', '10.0.0.8']) refused(filter, address, 'peer-special-purpose');
  refused(new PeerFilter(config({ relay, deny: ['10.0.0.0/8'] })), '10.0.0.7', 'peer-denied');
});

test('text that is no address is refused', () => {
  const filter = new PeerFilter(config({ allow: ['0.0.0.0/0', '::/0'] }));
  refused(filter, 'localhost', 'peer-denied');
});

test('whatever wraps a refused IPv4 address is refused, whatever else is allowed in IPv6', () => {
  const filter = new PeerFilter(config({ allow: ['::/0'] }));
  const bare = new PeerFilter(config());
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 0xffffffff }), fc.constantFrom(...CARRIERS), (value, { wrap }) => {
      const ipv4 = formatIpv4(value);
      const expected = bare.refuseAddress(endpoint(ipv4, 1));
      assert.equal(filter.refuseAddress(endpoint(wrapIpv4(wrap, ipv4), 1)), expected);
    }),
  );
});

function refused(filter: PeerFilter, address: string, why: PeerRefusal): void {
  assert.equal(filter.refuseAddress(endpoint(address, 0)), why, address);
  assert.equal(filter.refuse(endpoint(address, 55555)), why, address);
}

function accepted(filter: PeerFilter, address: string): void {
  assert.equal(filter.refuseAddress(endpoint(address, 0)), undefined, address);
  assert.equal(filter.refuse(endpoint(address, 55555)), undefined, address);
}

interface FilterOptions {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly ownEndpoints?: readonly Endpoint[];
  readonly ownAddresses?: readonly string[];
  readonly relay?: TurnConfig['relay'];
}

function config(options: FilterOptions = {}): FilterConfig {
  return {
    peers: { allow: (options.allow ?? []).map(prefix), deny: (options.deny ?? []).map(prefix) },
    ownEndpoints: options.ownEndpoints ?? [],
    ownAddresses: options.ownAddresses ?? [],
    relay: options.relay ?? {},
    ports: { min: 49152, max: 65535 },
  };
}

/** The addresses one below and one above a range, where they are not special themselves. */
function neighbours(lowest: string, highest: string): string[] {
  const [below, above] = [(parseIpv4(lowest) ?? 0) - 1, (parseIpv4(highest) ?? 0) + 1];
  return [below, above]
    .filter((value) => value >= 0 && value <= 0xffffffff)
    .map(formatIpv4)
    .filter((text) => !SPECIAL_IPV4.some((range) => range.includes(text)));
}

function wrapIpv4(wrap: (high: string, low: string, ipv4: string) => string, ipv4: string): string {
  const value = parseIpv4(ipv4) ?? 0;
  return canonical(wrap((value >>> 16).toString(16), (value & 0xffff).toString(16), ipv4));
}

function flip(group: string): string {
  return (Number.parseInt(group, 16) ^ 0xffff).toString(16);
}

function endpoint(address: string, port: number): Endpoint {
  return { family: address.includes(':') ? 6 : 4, address, port };
}

function canonical(text: string): string {
  const bytes = parseAddress(text);
  assert.ok(bytes, text);
  return formatAddress(bytes);
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}
