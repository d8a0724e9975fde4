import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import {
  bytes,
  codeOf,
  endpoint,
  Harness,
  LISTENER_4,
  mustDecode,
  ofType,
  PEER,
  prefix,
  testConfig,
} from './harness.ts';

const ALICE = '203.0.113.9:4000';
const BOB = '203.0.113.10:5000';
const NAT = { ipv4: { advertised: '198.51.100.1', bind: '10.0.0.1' } };

/** Two clients of one relay. */
function pair(harness = new Harness(), bobOnStream = false) {
  const alice = harness.udpClient(ALICE);
  const bob = bobOnStream ? harness.streamClient(BOB, 'bob', 'builder') : harness.udpClient(BOB, 'bob', 'builder');
  const [aliceRelayed] = alice.mustAllocate();
  const [bobRelayed] = bob.mustAllocate();
  return { harness, alice, bob, aliceRelayed, bobRelayed };
}

/** Both with a channel for the other. */
function joined(harness = new Harness()) {
  const both = pair(harness);
  assert.equal(codeOf(both.alice.bind(0x4000, both.bobRelayed)), 'success');
  assert.equal(codeOf(both.bob.bind(0x4111, both.aliceRelayed)), 'success');
  return both;
}

function flowsOf(harness: Harness) {
  return [...harness.flows.values()].map(({ id: _, ...flow }) => flow);
}

describe('hairpin without flows', () => {
  test('reaches the other client as a Data indication from the advertised address, and no network', () => {
    const { alice, bob, aliceRelayed, bobRelayed, harness } = pair();
    alice.permit([bobRelayed]);
    bob.permit([aliceRelayed]);
    const orders = alice.send(bobRelayed, bytes('hello'));
    assert.equal(orders.length, 1);
    const { attributes } = mustDecode(bob.packetsIn(orders)[0] ?? new Uint8Array());
    assert.deepEqual(attributes.xorPeerAddresses, [aliceRelayed]);
    assert.deepEqual(attributes.data, bytes('hello'));
    assert.deepEqual(harness.service.stats().relayed.to_peer, { packets: 1, bytes: 5 });
  });

  test('arrives as ChannelData when the receiver has a channel for the sender', () => {
    const { alice, bob, aliceRelayed, bobRelayed, harness } = pair();
    alice.permit([bobRelayed]);
    bob.bind(0x4111, aliceRelayed);
    assert.deepEqual(bob.packetsIn(alice.send(bobRelayed, bytes('abc'))), [
      Uint8Array.of(0x41, 0x11, 0, 3, 97, 98, 99),
    ]);
    assert.equal(harness.flows.size, 0, 'one channel alone makes no flow to a relayed address of ours');
  });

  test('needs the permission of both sides', () => {
    const { harness, alice, bob, aliceRelayed, bobRelayed } = pair();
    assert.deepEqual(alice.send(bobRelayed, bytes('a')), []);
    alice.permit([bobRelayed]);
    // All relayed addresses share one IP address, so bob's own address is the one that he must permit.
    assert.deepEqual(alice.send(bobRelayed, bytes('a')), []);
    assert.equal(harness.drops('no-permission'), 2);
    bob.permit([aliceRelayed]);
    assert.equal(bob.packetsIn(alice.send(bobRelayed, bytes('a'))).length, 1);
  });

  test('works between UDP and a stream, padded on the stream, and with no flow', () => {
    const { harness, alice, bob, aliceRelayed, bobRelayed } = pair(new Harness(), true);
    alice.bind(0x4000, bobRelayed);
    bob.bind(0x4111, aliceRelayed);
    assert.equal(harness.flows.size, 0);
    const orders = alice.channelData(0x4000, bytes('abc'));
    assert.deepEqual(bob.packetsIn(orders), [Uint8Array.of(0x41, 0x11, 0, 3, 97, 98, 99, 0)]);
    assert.equal(ofType(orders, 'write')[0]?.droppable, true);
    assert.deepEqual(alice.packetsIn(bob.channelData(0x4111, bytes('x'))), [Uint8Array.of(0x40, 0, 0, 1, 120)]);
  });

  test('a client may talk to its own relayed address', () => {
    const { harness, alice, aliceRelayed } = pair();
    alice.bind(0x4000, aliceRelayed);
    assert.equal(harness.flows.size, 0);
    assert.deepEqual(alice.packetsIn(alice.channelData(0x4000, bytes('x'))), [Uint8Array.of(0x40, 0, 0, 1, 120)]);
  });

  for (const form of ['advertised', 'bound'] as const) {
    test(`behind a static NAT the ${form} address reaches the other client`, () => {
      const { alice, bob, aliceRelayed, bobRelayed } = pair(new Harness(testConfig({ relay: NAT })));
      const as = (relayed: Endpoint) => (form === 'bound' ? { ...relayed, address: '10.0.0.1' } : relayed);
      assert.equal(codeOf(alice.permit([as(bobRelayed)])), 'success');
      assert.equal(codeOf(bob.permit([as(aliceRelayed)])), 'success');
      const [packet] = bob.packetsIn(alice.send(as(bobRelayed), bytes('a')));
      assert.deepEqual(mustDecode(packet ?? new Uint8Array()).attributes.xorPeerAddresses, [aliceRelayed]);
    });
  }

  test('IPv6 relayed addresses as well', () => {
    const harness = new Harness();
    const alice = harness.udpClient(ALICE);
    const bob = harness.udpClient('[2001:db8:9::9]:4000', 'bob', 'builder');
    const [aliceRelayed] = alice.mustAllocate({ requestedAddressFamily: 2 });
    const [bobRelayed] = bob.mustAllocate({ requestedAddressFamily: 2 });
    alice.bind(0x4000, bobRelayed);
    bob.bind(0x4111, aliceRelayed);
    assert.equal(harness.flows.size, 2);
    assert.equal(bob.packetsIn(alice.channelData(0x4000, bytes('a'))).length, 1);
  });

  test('a relayed address that nobody holds is reached on no road', () => {
    const { harness, alice, bob, bobRelayed } = joined();
    bob.refresh({ lifetime: 0 });
    alice.bind(0x4000, bobRelayed);
    assert.equal(harness.flows.size, 0);
    assert.deepEqual(alice.channelData(0x4000, bytes('a')), []);
    assert.deepEqual(alice.send(bobRelayed, bytes('a')), []);
    assert.equal(harness.drops('no-allocation'), 2);
  });

  test('but where the range is allowed it may be any program of this machine', () => {
    const peers = { allow: [prefix('198.51.100.0/24')], deny: [] };
    const { harness, alice, bob, bobRelayed } = joined(new Harness(testConfig({ peers })));
    bob.refresh({ lifetime: 0 });
    assert.deepEqual(ofType(alice.send(bobRelayed, bytes('a')), 'send')[0]?.to, bobRelayed);
    alice.bind(0x4000, bobRelayed);
    assert.equal(harness.flows.size, 2);
  });

  test('the listener of this relay is no peer', () => {
    const { alice } = pair();
    assert.equal(codeOf(alice.bind(0x4000, LISTENER_4)), 403);
  });
});

describe('hairpin flows', () => {
  test('two channels for each other become two flows, from client to client', () => {
    const { harness } = joined();
    const common = { service: 'turn', direction: 'to_peer', idle: 0 };
    const side = (remote: string) => ({ socket: harness.listener4, local: LISTENER_4, remote: endpoint(remote) });
    assert.deepEqual(flowsOf(harness), [
      {
        ...common,
        match: { ...side(BOB), discriminator: { kind: 'channel', channel: 0x4111 } },
        rewrite: { ...side(ALICE), encapsulation: { kind: 'replace', channel: 0x4000 } },
      },
      {
        ...common,
        match: { ...side(ALICE), discriminator: { kind: 'channel', channel: 0x4000 } },
        rewrite: { ...side(BOB), encapsulation: { kind: 'replace', channel: 0x4111 } },
      },
    ]);
  });

  test('what misses the flow is still relayed the same way', () => {
    const { alice, bob } = joined();
    assert.deepEqual(bob.packetsIn(alice.channelData(0x4000, bytes('x'))), [Uint8Array.of(0x41, 0x11, 0, 1, 120)]);
  });

  for (const [name, end] of [
    ['the allocation of one side is deleted', ({ alice }) => alice.raw(alice.build(0x004, { lifetime: 0 }))],
    ['the other side’s is', ({ bob }) => bob.raw(bob.build(0x004, { lifetime: 0 }))],
  ] as readonly [string, (both: ReturnType<typeof joined>) => ReturnType<Harness['pass']>][]) {
    test(`both flows go when ${name}, before the port closes`, () => {
      const both = joined();
      const kinds = end(both)
        .map(({ type }) => type)
        .filter((type) => type !== 'send' && type !== 'event');
      assert.deepEqual(kinds, ['removeFlow', 'removeFlow', 'closePort']);
      assert.equal(both.harness.flows.size, 0);
    });
  }

  test('both flows go with the permission of either side, and come back with it', () => {
    const { harness, alice, bob, aliceRelayed, bobRelayed } = joined();
    harness.pass(200_000);
    alice.permit([bobRelayed]);
    const orders = harness.pass(100_000);
    assert.equal(ofType(orders, 'removeFlow').length, 2);
    assert.deepEqual(bob.packetsIn(alice.channelData(0x4000, bytes('x'))), []);
    bob.permit([aliceRelayed]);
    assert.equal(harness.flows.size, 2);
  });

  test('both flows go with the channel of either side', () => {
    const { harness, alice, bob, aliceRelayed, bobRelayed } = joined();
    for (const client of [alice, bob]) client.refresh({ lifetime: 3600 });
    for (const step of [250_000, 250_000]) {
      harness.pass(step);
      alice.bind(0x4000, bobRelayed);
      bob.permit([aliceRelayed]);
    }
    assert.equal(harness.flows.size, 2);
    assert.equal(ofType(harness.pass(100_000), 'removeFlow').length, 2);
    const [packet] = bob.packetsIn(alice.channelData(0x4000, bytes('x')));
    assert.equal(packet?.[0], 0, 'now a Data indication');
  });

  test('both flows go when the configuration denies our own address', () => {
    const { harness, alice, bob } = joined();
    const config = testConfig({ peers: { allow: [], deny: [prefix('198.51.100.1/32')] } });
    const orders = harness.run(() => harness.service.updateConfig(config, harness.now));
    assert.equal(ofType(orders, 'removeFlow').length, 2);
    assert.deepEqual(bob.packetsIn(alice.channelData(0x4000, bytes('x'))), []);
  });

  test('what was bound before the other side had its port is joined later', () => {
    const harness = new Harness(testConfig({ ports: { min: 50_000, max: 50_001 } }));
    const alice = harness.udpClient(ALICE);
    const [aliceRelayed] = alice.mustAllocate();
    const future = { ...aliceRelayed, port: aliceRelayed.port ^ 1 };
    alice.bind(0x4000, future);
    assert.deepEqual(flowsOf(harness), [], 'nobody has that port yet');
    const bob = harness.udpClient(BOB, 'bob', 'builder');
    assert.deepEqual(bob.mustAllocate(), [future]);
    bob.bind(0x4111, aliceRelayed);
    assert.deepEqual(
      flowsOf(harness).map(({ rewrite }) => rewrite.encapsulation.kind),
      ['replace', 'replace'],
    );
  });

  test('a third client with the port of one that left gets nothing it did not permit', () => {
    const { harness, alice, bob } = joined(new Harness(testConfig({ ports: { min: 50_000, max: 50_001 } })));
    bob.refresh({ lifetime: 0 });
    const carol = harness.udpClient('203.0.113.11:6000');
    carol.mustAllocate();
    assert.deepEqual(alice.channelData(0x4000, bytes('x')), []);
    assert.equal(harness.drops('no-permission'), 1);
    assert.equal(harness.flows.size, 0);
  });

  test('the sender’s quota limits the flow', () => {
    const quota = { perUser: 0, total: 0, bytesPerSecond: 50_000 };
    const { harness } = joined(new Harness(testConfig({ quota })));
    const limits = flowsOf(harness).map(({ limit }) => limit);
    assert.ok(limits.every((limit) => limit?.bytesPerSecond === 50_000));
    assert.notEqual(limits[0]?.bucket, limits[1]?.bucket);
  });

  test('an ordinary peer beside it keeps its own flows', () => {
    const { harness, alice, bob } = joined();
    alice.bind(0x4001, PEER);
    bob.refresh({ lifetime: 0 });
    assert.deepEqual(
      flowsOf(harness).map(({ match }) => match.discriminator.kind),
      ['channel', 'none'],
    );
  });
});
