import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytes, codeOf, endpoint, Harness, LISTENER_4, LISTENER_6, ofType, prefix, testConfig } from './harness.ts';

/** security.md, Peer address: every road to a peer, one address of every range. */
const REFUSED = [
  '0.1.2.3',
  '127.0.0.1',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.169.254',
  '192.0.0.8',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.7',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:8.8.8.8',
  '::127.0.0.1',
  '::ffff:0:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b:1::1',
  '2002:a00:1::1',
  '2001::1',
  'fe80::1',
  'fc00::1',
  'fec0::1',
  'ff02::1',
  '2001:db8::7',
  'fd00:ec2::254',
];

describe('peers that are never reached', () => {
  for (const address of REFUSED) {
    test(address, () => {
      const harness = new Harness();
      const client = harness.udpClient('203.0.113.9:4000');
      client.mustAllocate({ additionalAddressFamily: 2 });
      const peer = endpoint(address.includes(':') ? `[${address}]:9000` : `${address}:9000`);
      assert.equal(codeOf(client.permit([peer])), 403);
      assert.equal(codeOf(client.bind(0x4000, peer)), 403);
      assert.deepEqual(client.send(peer, bytes('a')), []);
      assert.deepEqual(client.channelData(0x4000, bytes('a')), []);
      assert.equal(harness.drops('peer-special-purpose'), 3);
      assert.equal(harness.flows.size, 0);
    });
  }

  for (const own of [LISTENER_4, LISTENER_6]) {
    test(`our own listener ${own.address}:${own.port}`, () => {
      const harness = new Harness();
      const client = harness.udpClient('203.0.113.9:4000');
      client.mustAllocate({ additionalAddressFamily: 2 });
      client.permit([own]);
      assert.equal(codeOf(client.bind(0x4000, own)), 403);
      assert.deepEqual(client.send(own, bytes('a')), []);
      assert.equal(harness.drops('peer-own-listener'), 2);
    });
  }

  test('a private range that the configuration allows', () => {
    const peers = { allow: [prefix('10.0.0.0/8')], deny: [prefix('10.9.0.0/16')] };
    const harness = new Harness(testConfig({ peers }));
    const client = harness.udpClient('203.0.113.9:4000');
    client.mustAllocate();
    assert.equal(codeOf(client.bind(0x4000, endpoint('10.1.0.1:80'))), 'success');
    assert.equal(ofType(client.channelData(0x4000, bytes('a')), 'send').length, 1);
    assert.equal(codeOf(client.bind(0x4001, endpoint('10.9.0.1:80'))), 403);
  });
});
