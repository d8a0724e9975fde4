import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatBanner, type Summary } from '../../src/runtime/banner.ts';

describe('the printed probe line', () => {
  test('asks for nothing where there are IPv4 relayed addresses', () => {
    assert.match(bannerOf(['192.0.2.1', '2001:db8::1']), /--password pass\n$/);
  });

  test('asks for IPv6 where that is all there is: a client that asks for nothing means IPv4', () => {
    assert.match(bannerOf(['2001:db8::1']), /--password pass --ipv6\n$/);
  });
});

test('no relayed address is said in words', () => {
  assert.match(bannerOf([]), /relayed +udp +no address, ports 49152-65535\n/);
});

function bannerOf(addresses: readonly string[]): string {
  const summary: Summary = {
    version: '1.2.3',
    listeners: [],
    forwards: [],
    relay: { addresses, ports: { min: 49_152, max: 65_535 } },
    engine: { name: 'portable', mode: 'node:dgram', why: 'asked for' },
    admin: undefined,
    generated: { iceServer: { urls: ['turn:relay.example'], username: 'user', credential: 'pass' }, keptIn: undefined },
    generatedPair: undefined,
    relayPeer: undefined,
  };
  return formatBanner(summary);
}
