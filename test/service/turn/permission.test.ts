import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { METHOD_CREATE_PERMISSION } from '../../../src/wire/stun/message.ts';
import { bytes, codeOf, endpoint, Harness, ofType, PEER, PEER_2, PEER_6, prefix, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:4000';
const IPV6 = 0x02;

function allocated(harness = new Harness()) {
  const client = harness.udpClient(CLIENT);
  const [relayed] = client.mustAllocate();
  return { harness, client, relayed };
}

describe('CreatePermission (RFC 8656 §10.2)', () => {
  test('lets data of that address in, from any port, and of no other', () => {
    const { harness, client, relayed } = allocated();
    assert.equal(codeOf(client.permit([PEER])), 'success');
    assert.equal(client.packetsIn(harness.fromPeer(relayed, PEER, bytes('a'))).length, 1);
    assert.equal(client.packetsIn(harness.fromPeer(relayed, { ...PEER, port: 9 }, bytes('a'))).length, 1);
    assert.deepEqual(harness.fromPeer(relayed, PEER_2, bytes('a')), []);
    assert.equal(harness.drops('no-permission'), 1);
  });

  test('takes several addresses; port 0 is fine because ports do not count', () => {
    const { harness, client, relayed } = allocated();
    assert.equal(codeOf(client.permit([{ ...PEER, port: 0 }, PEER_2, PEER])), 'success');
    for (const peer of [PEER, PEER_2])
      assert.equal(client.packetsIn(harness.fromPeer(relayed, peer, bytes('a'))).length, 1);
  });

  test('lasts exactly 300 s unless refreshed', () => {
    const { harness, client, relayed } = allocated();
    client.permit([PEER, PEER_2]);
    harness.pass(200_000);
    client.permit([PEER_2]);
    harness.pass(99_999);
    assert.equal(client.packetsIn(harness.fromPeer(relayed, PEER, bytes('a'))).length, 1);
    harness.pass(1);
    assert.deepEqual(harness.fromPeer(relayed, PEER, bytes('a')), []);
    assert.equal(client.packetsIn(harness.fromPeer(relayed, PEER_2, bytes('a'))).length, 1);
  });

  test('400 without an address', () => {
    const { client } = allocated();
    assert.equal(codeOf(client.request(METHOD_CREATE_PERMISSION, {})), 400);
  });

  test('437 without an allocation', () => {
    assert.equal(codeOf(new Harness().udpClient(CLIENT).permit([PEER])), 437);
  });

  test('443 for the other family; a dual allocation takes both', () => {
    const { client } = allocated();
    assert.equal(codeOf(client.permit([PEER_6])), 443);
    const dual = new Harness().udpClient(CLIENT);
    dual.mustAllocate({ additionalAddressFamily: IPV6 });
    assert.equal(codeOf(dual.permit([PEER, PEER_6])), 'success');
  });

  for (const address of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '0.0.0.0', '224.0.0.1', '255.255.255.255']) {
    test(`403 for ${address}, and none of the request is installed`, () => {
      const { harness, client, relayed } = allocated();
      assert.equal(codeOf(client.permit([PEER, { family: 4, address, port: 1 }])), 403);
      assert.equal(harness.drops('peer-special-purpose'), 1);
      assert.deepEqual(harness.fromPeer(relayed, PEER, bytes('a')), []);
    });
  }

  test('all or none with 443 and 508 too', () => {
    const { harness, client, relayed } = allocated(new Harness(testConfig({ maxPermissions: 2 })));
    assert.equal(codeOf(client.permit([PEER, PEER_6])), 443);
    assert.equal(codeOf(client.permit([PEER, PEER_2, endpoint('1.1.1.1:1')])), 508);
    assert.equal(harness.drops('too-many-permissions'), 1);
    assert.deepEqual(harness.fromPeer(relayed, PEER, bytes('a')), []);
    assert.equal(codeOf(client.permit([PEER, PEER_2, { ...PEER, port: 3 }])), 'success');
    assert.equal(codeOf(client.permit([PEER_2])), 'success');
    assert.equal(codeOf(client.bind(0x4000, endpoint('1.1.1.1:1'))), 508);
  });

  test('more addresses than may ever be permitted are not looked at one by one', () => {
    const { harness, client } = allocated(new Harness(testConfig({ maxPermissions: 2 })));
    assert.equal(codeOf(client.permit([PEER, PEER_2, endpoint('127.0.0.1:1')])), 508);
    assert.equal(harness.drops('peer-special-purpose'), 0);
    const thousands = Array.from({ length: 5000 }, () => PEER);
    assert.equal(codeOf(client.permit([...thousands, PEER_2])), 'success');
  });

  test('permissions of two allocations have nothing to do with each other', () => {
    const { harness, client } = allocated();
    const other = harness.udpClient('203.0.113.10:4000', 'bob', 'builder');
    const [relayed] = other.mustAllocate();
    client.permit([PEER]);
    assert.deepEqual(harness.fromPeer(relayed, PEER, bytes('a')), []);
  });
});

describe('a configuration that changes', () => {
  test('a peer that is denied now loses its permission, channel and flows at once; others stay', () => {
    const { harness, client, relayed } = allocated();
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_2);
    client.permit([endpoint('8.8.8.8:1')]);
    const denied = testConfig({ peers: { allow: [], deny: [prefix('8.8.0.0/16')] } });
    const orders = harness.run(() => harness.service.updateConfig(denied, harness.now));
    assert.equal(ofType(orders, 'removeFlow').length, 2);
    assert.deepEqual(
      [...harness.flows.values()].map(({ direction }) => direction),
      ['to_peer', 'to_client'],
    );
    for (const peer of [PEER, endpoint('8.8.8.8:1')]) assert.deepEqual(harness.fromPeer(relayed, peer, bytes('a')), []);
    assert.deepEqual(client.channelData(0x4000, bytes('a')), []);
    assert.equal(ofType(client.channelData(0x4001, bytes('a')), 'send').length, 1);
    assert.equal(codeOf(client.bind(0x4000, PEER)), 403);
    assert.equal(harness.drops('peer-denied'), 1);
  });

  test('users that are gone cannot refresh any more; their allocations run out', () => {
    const { harness, client } = allocated();
    const credentials = { users: new Map([['bob', 'builder']]), secrets: [], stampSecrets: [] };
    harness.run(() => harness.service.updateConfig(testConfig({ credentials }), harness.now));
    assert.equal(codeOf(client.refresh()), 401);
    harness.pass(600_000);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('another port range: old ports live on and come back to nobody', () => {
    const { harness, client } = allocated();
    harness.run(() => harness.service.updateConfig(testConfig({ ports: { min: 60_000, max: 60_001 } }), harness.now));
    const [relayed] = harness.udpClient('203.0.113.10:4000').mustAllocate();
    assert.ok(relayed.port >= 60_000);
    assert.equal(codeOf(client.refresh({ lifetime: 0 })), 'success');
    assert.equal(harness.service.stats().held.freePorts, 3);
  });

  test('a range that overlaps knows which ports are taken', () => {
    const { harness, client, relayed } = allocated();
    const ports = { min: relayed.port, max: relayed.port + 1 };
    harness.run(() => harness.service.updateConfig(testConfig({ ports }), harness.now));
    assert.equal(harness.udpClient('203.0.113.10:4000').mustAllocate()[0].port, relayed.port + 1);
    assert.equal(codeOf(harness.udpClient('203.0.113.11:4000').allocate()), 508);
    client.refresh({ lifetime: 0 });
    assert.equal(codeOf(harness.udpClient('203.0.113.11:4000').allocate()), 'success');
  });

  test('a family that is not relayed any more: reservations end, allocations stay', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const token = client.allocate({ evenPort: { reserveNext: true } })?.attributes.reservationToken;
    assert.ok(token);
    const relay = { ipv6: { advertised: '2001:db8::1', bind: '2001:db8::1' } };
    harness.run(() => harness.service.updateConfig(testConfig({ relay }), harness.now));
    assert.equal(harness.ports.size, 1);
    assert.equal(codeOf(harness.udpClient('203.0.113.10:4000').allocate()), 440);
    assert.equal(codeOf(client.refresh()), 'success');
  });

  test('a bandwidth quota that comes renews the flows with their limit', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    const quota = { perUser: 0, total: 0, bytesPerSecond: 100_000 };
    harness.run(() => harness.service.updateConfig(testConfig({ quota }), harness.now));
    const limits = [...harness.flows.values()].map(({ limit }) => limit?.bytesPerSecond);
    assert.deepEqual(limits, [100_000, 100_000]);
  });
});
