import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { METHOD_CHANNEL_BIND } from '../../../src/wire/stun/message.ts';
import { bytes, codeOf, endpoint, Harness, LISTENER_4, ofType, PEER, PEER_2, PEER_6, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:4000';

function allocated(harness = new Harness()) {
  const client = harness.udpClient(CLIENT);
  const [relayed] = client.mustAllocate();
  return { harness, client, relayed };
}

describe('ChannelBind (RFC 8656 §12.2)', () => {
  test('binds, permits, and gives the engine a flow each way', () => {
    const { harness, client, relayed } = allocated();
    const orders = client.raw(client.build(METHOD_CHANNEL_BIND, { channelNumber: 0x4001, xorPeerAddresses: [PEER] }));
    assert.equal(codeOf(client.responseIn(orders)), 'success');
    const clientSide = { socket: harness.listener4, local: LISTENER_4, remote: endpoint(CLIENT) };
    const peerSide = { socket: harness.socketOf(relayed), local: relayed, remote: PEER };
    assert.deepEqual(
      ofType(orders, 'addFlow').map(({ flow: { id: _, ...flow } }) => flow),
      [
        {
          service: 'turn',
          direction: 'to_peer',
          match: { ...clientSide, discriminator: { kind: 'channel', channel: 0x4001 } },
          rewrite: { ...peerSide, encapsulation: { kind: 'strip' } },
          idle: 0,
        },
        {
          service: 'turn',
          direction: 'to_client',
          match: { ...peerSide, discriminator: { kind: 'none' } },
          rewrite: { ...clientSide, encapsulation: { kind: 'add', channel: 0x4001 } },
          idle: 0,
        },
      ],
    );
  });

  test('flows name what is bound, not what is advertised', () => {
    const relay = { ipv4: { advertised: '198.51.100.1', bind: '10.0.0.1' } };
    const { harness, client, relayed } = allocated(new Harness(testConfig({ relay })));
    client.bind(0x4000, PEER);
    const local = { ...relayed, address: '10.0.0.1' };
    assert.deepEqual([...harness.flows.values()][0]?.rewrite.local, local);
    assert.deepEqual([...harness.flows.values()][1]?.match.local, local);
  });

  for (const [number, strict, code] of [
    [0x3fff, false, 400],
    [0x4000, true, 'success'],
    [0x4fff, true, 'success'],
    [0x5000, true, 400],
    [0x5000, false, 'success'],
    [0x7fff, false, 'success'],
    [0x8000, false, 400],
    [0xffff, false, 400],
  ] as const) {
    test(`channel 0x${number.toString(16)}${strict ? ' (strict)' : ''}: ${code}`, () => {
      const { client } = allocated(new Harness(testConfig({ strictChannels: strict })));
      assert.equal(codeOf(client.bind(number, PEER)), code);
    });
  }

  test('400 when CHANNEL-NUMBER or XOR-PEER-ADDRESS is missing', () => {
    const { harness, client } = allocated();
    assert.equal(codeOf(client.request(METHOD_CHANNEL_BIND, { xorPeerAddresses: [PEER] })), 400);
    assert.equal(codeOf(client.request(METHOD_CHANNEL_BIND, { channelNumber: 0x4000 })), 400);
    assert.equal(harness.drops('no-channel-number'), 1);
    assert.equal(harness.drops('no-peer-address'), 1);
  });

  test('400 for a channel with another peer and for a peer with another channel, also by port alone', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    assert.equal(codeOf(client.bind(0x4000, PEER_2)), 400);
    assert.equal(codeOf(client.bind(0x4000, { ...PEER, port: 1 })), 400);
    assert.equal(codeOf(client.bind(0x4001, PEER)), 400);
    assert.equal(harness.drops('channel-taken'), 2);
    assert.equal(harness.drops('peer-has-channel'), 1);
    assert.equal(codeOf(client.bind(0x4001, { ...PEER, port: 1 })), 'success');
  });

  test('443, 437, 508', () => {
    const { harness, client } = allocated(new Harness(testConfig({ maxChannels: 1 })));
    assert.equal(codeOf(client.bind(0x4000, PEER_6)), 443);
    assert.equal(codeOf(harness.udpClient('203.0.113.10:1').bind(0x4000, PEER)), 437);
    assert.equal(codeOf(client.bind(0x4000, PEER)), 'success');
    assert.equal(codeOf(client.bind(0x4001, PEER_2)), 508);
    assert.equal(codeOf(client.bind(0x4000, PEER)), 'success');
  });

  for (const [peer, reason] of [
    ['127.0.0.1:80', 'peer-special-purpose'],
    ['192.168.0.1:80', 'peer-special-purpose'],
    ['8.8.8.8:0', 'peer-port-zero'],
    ['198.51.100.1:3478', 'peer-own-listener'],
  ] as const) {
    test(`403 for ${peer}; neither channel, permission nor flow`, () => {
      const { harness, client } = allocated();
      assert.equal(codeOf(client.bind(0x4000, endpoint(peer))), 403);
      assert.equal(harness.drops(reason), 1);
      assert.equal(harness.flows.size, 0);
      assert.deepEqual(client.channelData(0x4000, bytes('a')), []);
      assert.equal(harness.drops('unknown-channel'), 1);
    });
  }

  test('a refresh keeps the flows and starts the 600 s and 300 s again', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    harness.pass(290_000);
    const before = [...harness.flows.keys()];
    client.refresh({ lifetime: 3600 });
    client.bind(0x4000, PEER);
    assert.deepEqual([...harness.flows.keys()], before);
    harness.pass(299_999);
    assert.equal(harness.flows.size, 2);
    harness.pass(1);
    assert.equal(harness.flows.size, 0);
  });
});

describe('what channels rest on', () => {
  test('the permission runs out first: flows go, the binding stays, data is dropped both ways', () => {
    const { harness, client, relayed } = allocated();
    client.bind(0x4000, PEER);
    const orders = harness.pass(300_000);
    assert.equal(ofType(orders, 'removeFlow').length, 2);
    assert.deepEqual(client.channelData(0x4000, bytes('a')), []);
    assert.deepEqual(harness.fromPeer(relayed, PEER, bytes('a')), []);
    assert.equal(harness.drops('no-permission'), 2);
    assert.equal(codeOf(client.bind(0x4001, PEER)), 400);
  });

  test('a permission that comes back brings the flows back', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    harness.pass(300_000);
    client.permit([PEER]);
    assert.equal(harness.flows.size, 2);
    assert.equal(ofType(client.channelData(0x4000, bytes('a')), 'send').length, 1);
  });

  test('after 600 s the channel is unbound; number and peer can be bound anew', () => {
    const { harness, client, relayed } = allocated();
    client.refresh({ lifetime: 3600 });
    client.bind(0x4000, PEER);
    for (const step of [250_000, 250_000]) {
      harness.pass(step);
      client.permit([PEER]);
    }
    assert.equal(harness.flows.size, 2);
    const orders = harness.pass(100_000);
    assert.equal(ofType(orders, 'removeFlow').length, 2);
    assert.deepEqual(client.channelData(0x4000, bytes('a')), []);
    assert.equal(harness.drops('unknown-channel'), 1);
    const [packet] = client.packetsIn(harness.fromPeer(relayed, PEER, bytes('a')));
    assert.equal(packet?.[0], 0x00, 'a Data indication: the permission is still there');
    assert.equal(codeOf(client.bind(0x4000, PEER_2)), 'success');
    assert.equal(codeOf(client.bind(0x4001, PEER)), 'success');
  });

  test('when the allocation expires: flows first, then the port', () => {
    const { harness, client } = allocated();
    harness.pass(599_000);
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_2);
    const kinds = harness
      .pass(1000)
      .map(({ type }) => type)
      .filter((type) => type !== 'event');
    assert.deepEqual(kinds, ['removeFlow', 'removeFlow', 'removeFlow', 'removeFlow', 'closePort']);
  });

  test('a listener that is taken away ends what came by it, in the same order', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    harness.udpClient('[2001:db8:9::9]:4000').mustAllocate();
    const orders = harness.run(() => harness.service.removeListener(harness.listener4, harness.now));
    assert.deepEqual(
      orders.map(({ type }) => type),
      ['removeFlow', 'removeFlow', 'closePort', 'event'],
    );
    assert.equal(harness.service.stats().allocations, 1);
  });

  test('flows of one allocation share a bucket for each direction; without a quota they have none', () => {
    const quota = { perUser: 0, total: 0, bytesPerSecond: 1_000_000 };
    const { harness, client } = allocated(new Harness(testConfig({ quota })));
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_2);
    const buckets = [...harness.flows.values()].map(({ direction, limit }) => `${direction} ${limit?.bucket}`);
    assert.equal(buckets.length, 4);
    assert.equal(new Set(buckets).size, 2);
    assert.equal([...harness.flows.values()][0]?.limit?.burst, 1_000_000);
    const free = allocated();
    free.client.bind(0x4000, PEER);
    assert.ok([...free.harness.flows.values()].every((flow) => !('limit' in flow)));
  });
});
