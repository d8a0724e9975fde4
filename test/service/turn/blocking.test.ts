import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointKey } from '../../../src/net/endpoint.ts';
import { bytes, codeOf, endpoint, Harness, ofType, PEER, PEER_2, prefix, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:5000';

describe('a blocked client', () => {
  test('gets no answer, and is counted', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    harness.block('203.0.113.9');
    assert.equal(client.allocate({}, { bare: true }), undefined);
    assert.equal(harness.drops('blocked'), 1);
    assert.equal(harness.blocks.refused, 1);
    assert.notEqual(harness.udpClient('203.0.113.10:5000').allocate({}, { bare: true }), undefined);
  });

  test('loses its allocation at once: flows, then the port', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const [relayed] = client.mustAllocate();
    assert.equal(codeOf(client.bind(0x4000, PEER)), 'success');
    const orders = harness.block('203.0.113.0/24');
    assert.deepEqual(
      orders.map(({ type }) => type).filter((type) => type !== 'event'),
      ['removeFlow', 'removeFlow', 'closePort'],
    );
    assert.equal(harness.flows.size, 0);
    assert.equal(harness.service.stats().allocations, 0);
    assert.throws(() => harness.socketOf(relayed));
    assert.deepEqual(client.channelData(0x4000, bytes('x')), []);
  });

  test('loses its connection, and gets no other', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    client.mustAllocate();
    const ended = harness.block('203.0.113.9');
    assert.equal(ofType(ended, 'closeStream').length, 1);
    assert.equal(harness.service.stats().clients, 0);
    harness.streamClient(CLIENT);
    assert.equal(ofType(harness.orders, 'closeStream').length, 2);
    assert.equal(harness.drops('blocked'), 2);
  });

  test('is let in again when the block is over', () => {
    const harness = new Harness();
    harness.blocks.add(prefix('203.0.113.9'), harness.now + 1000);
    const client = harness.udpClient(CLIENT);
    assert.equal(client.allocate({}, { bare: true }), undefined);
    harness.pass(1000);
    assert.notEqual(client.allocate({}, { bare: true }), undefined);
  });

  test('was blocked for going beyond the budget again and again', () => {
    const unauthenticatedBudget = { perAddress: 1, perPrefix: 0, burstSeconds: 1, maxSources: 16 };
    const strikes = { limit: 3, window: 10_000, duration: 60_000, maxBlocks: 10 };
    const harness = new Harness(testConfig({ unauthenticatedBudget }), 1, undefined, strikes);
    const client = harness.udpClient(CLIENT);
    for (let index = 0; index < 5; index++) client.allocate({}, { bare: true });
    const [block] = harness.blocks.list(harness.now);
    assert.equal(block?.reason, 'rate');
    assert.equal(harness.drops('over-budget'), 4);
    client.allocate({}, { bare: true });
    assert.equal(harness.drops('blocked'), 1);
  });
});

describe('a blocked peer', () => {
  test('is refused by every request, and its packets are dropped', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const [relayed] = client.mustAllocate();
    harness.block('8.8.4.0/24');
    assert.equal(codeOf(client.permit([PEER_2, PEER])), 403);
    assert.equal(codeOf(client.bind(0x4000, PEER)), 403);
    assert.deepEqual(client.send(PEER, bytes('x')), []);
    assert.equal(harness.drops('peer-blocked'), 3);
    assert.deepEqual(harness.fromPeer(relayed, PEER, bytes('x')), []);
    assert.equal(harness.drops('blocked'), 1);
    assert.equal(codeOf(client.permit([PEER_2])), 'success');
  });

  test('is lost by who talks to it; other peers stay', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_2);
    assert.equal(ofType(harness.block('8.8.4.4'), 'removeFlow').length, 2);
    assert.equal(harness.flows.size, 2);
    assert.deepEqual(client.channelData(0x4000, bytes('x')), []);
    assert.equal(ofType(client.channelData(0x4001, bytes('x')), 'send').length, 1);
  });

  test('also when an IPv6 form wraps its address', () => {
    const allow = ['64:ff9b::/96', '8.8.4.0/24'].map(prefix);
    const harness = new Harness(testConfig({ peers: { allow, deny: [] } }));
    const client = harness.udpClient('[2001:db8::5]:5000');
    client.mustAllocate({ requestedAddressFamily: 0x02 });
    const wrapped = endpoint('[64:ff9b::808:404]:7000');
    assert.equal(codeOf(client.bind(0x4000, wrapped)), 'success');
    harness.block('8.8.4.4');
    assert.equal(codeOf(client.bind(0x4000, wrapped)), 403);
    assert.equal(harness.flows.size, 0);
  });
});

describe('client records', () => {
  test('say who, whence, and what went both ways, with and without flows', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const began = harness.now;
    const [relayed] = client.mustAllocate();
    harness.pass(5000);
    client.permit([PEER]);
    client.send(PEER, bytes('12345'));
    harness.fromPeer(relayed, PEER, bytes('123'));
    client.bind(0x4000, PEER);
    const [up, down] = [...harness.flows.values()];
    assert.ok(up && down);
    harness.carried.set(up.id, { packets: 10, bytes: 1000, lastSeen: harness.now + 500 });
    harness.carried.set(down.id, { packets: 20, bytes: 2000, lastSeen: harness.now + 900 });
    const expected = {
      service: 'turn',
      id: 'alice',
      endpoint: endpoint(CLIENT),
      transport: 'udp',
      listener: endpoint('198.51.100.1:3478'),
      via: [endpointKey(relayed)],
      firstSeen: began,
      lastSeen: harness.now + 500,
      sent: { packets: 11, bytes: 1005 },
      received: { packets: 21, bytes: 2003 },
    };
    assert.deepEqual([...harness.service.clients()], [expected]);
    // The flows go with the permission; what they carried does not.
    harness.pass(301_000);
    assert.equal(harness.flows.size, 0);
    harness.carried.clear();
    const [record] = harness.service.clients();
    assert.deepEqual([record?.sent, record?.received], [expected.sent, expected.received]);
  });

  test('of a hairpin count each packet once at each end', () => {
    const harness = new Harness();
    const [one, two] = [harness.udpClient(CLIENT), harness.udpClient('203.0.113.10:5000', 'bob', 'builder')];
    const [first] = one.mustAllocate();
    const [second] = two.mustAllocate();
    one.bind(0x4000, second);
    two.bind(0x4001, first);
    assert.equal(harness.flows.size, 2);
    for (const { id, match } of harness.flows.values()) {
      const packets = match.remote.address === '203.0.113.9' ? 3 : 5;
      harness.carried.set(id, { packets, bytes: packets * 100, lastSeen: harness.now });
    }
    const counts = () => [...harness.service.clients()].map(({ sent, received }) => [sent.packets, received.packets]);
    assert.deepEqual(counts(), [
      [3, 5],
      [5, 3],
    ]);
    // The flows go for both when one side does.
    one.refresh({ lifetime: 0 });
    harness.carried.clear();
    assert.deepEqual(counts(), [[5, 3]]);
  });
});
