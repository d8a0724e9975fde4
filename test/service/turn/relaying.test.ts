import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import { METHOD_DATA, METHOD_SEND } from '../../../src/wire/stun/message.ts';
import { decodeChannelData } from '../../../src/wire/turn/channel-data.ts';
import { bytes, endpoint, Harness, mustDecode, ofType, PEER, PEER_2, PEER_6, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:4000';

function allocated(harness = new Harness(), peers = [PEER]) {
  const client = harness.udpClient(CLIENT);
  const [relayed] = client.mustAllocate();
  client.permit(peers);
  return { harness, client, relayed };
}

describe('Send indication (RFC 8656 §11.2)', () => {
  for (const data of [bytes('hello'), new Uint8Array(0), new Uint8Array(1200).fill(1)]) {
    test(`${data.length} bytes go to the peer from the relayed address`, () => {
      const { harness, client, relayed } = allocated();
      const orders = client.send(PEER, data);
      assert.deepEqual(orders, [{ type: 'send', from: harness.socketOf(relayed), to: PEER, packet: data }]);
      assert.deepEqual(harness.service.stats().relayed.to_peer, { packets: 1, bytes: data.length });
    });
  }

  test('dropped without permission, and does not make or refresh one', () => {
    const { harness, client } = allocated();
    assert.deepEqual(client.send(PEER_2, bytes('a')), []);
    harness.pass(299_999);
    assert.equal(client.send(PEER, bytes('a')).length, 1);
    harness.pass(1);
    assert.deepEqual(client.send(PEER, bytes('a')), []);
    assert.equal(harness.drops('no-permission'), 2);
  });

  test('dropped without DATA, without XOR-PEER-ADDRESS, without an allocation', () => {
    const { harness, client } = allocated();
    const header = { class: 'indication', method: METHOD_SEND, transactionId: new Uint8Array(12) } as const;
    assert.deepEqual(client.raw(encodeMessage({ ...header, attributes: { data: bytes('a') } })), []);
    assert.deepEqual(client.raw(encodeMessage({ ...header, attributes: { xorPeerAddresses: [PEER] } })), []);
    assert.equal(harness.drops('malformed-indication'), 2);
    assert.deepEqual(harness.udpClient('203.0.113.10:1').send(PEER, bytes('a')), []);
    assert.equal(harness.drops('no-allocation'), 1);
  });

  test('dropped for peers that are refused, even at an address that is permitted', () => {
    const { harness, client } = allocated(new Harness(), [endpoint('198.51.100.1:1')]);
    assert.deepEqual(client.send(endpoint('198.51.100.1:3478'), bytes('a')), []);
    assert.equal(harness.drops('peer-own-listener'), 1);
    assert.deepEqual(client.send(endpoint('127.0.0.1:80'), bytes('a')), []);
    assert.equal(harness.drops('peer-special-purpose'), 1);
    assert.deepEqual(client.send({ ...PEER, port: 0 }, bytes('a')), []);
    assert.equal(harness.drops('peer-port-zero'), 1);
    assert.deepEqual(client.send(PEER_6, bytes('a')), []);
    assert.equal(harness.drops('family-mismatch'), 1);
  });

  test('DONT-FRAGMENT: dropped where the engine cannot, an order with it where it can', () => {
    const { harness, client } = allocated();
    assert.deepEqual(client.send(PEER, bytes('a'), { dontFragment: true }), []);
    assert.equal(harness.drops('unknown-attribute'), 1);
    const able = allocated(new Harness(testConfig({ canSetDontFragment: true })));
    assert.equal(ofType(able.client.send(PEER, bytes('a'), { dontFragment: true }), 'send')[0]?.dontFragment, true);
    assert.equal(ofType(able.client.send(PEER, bytes('a')), 'send')[0]?.dontFragment, undefined);
  });

  for (const [from, peer] of [
    ['203.0.113.9:4000', PEER_6],
    ['[2606:4700::9]:4000', PEER],
    ['[2606:4700::9]:4000', PEER_6],
  ] as const) {
    test(`DONT-FRAGMENT is ignored from ${from} to ${peer.address} (RFC 8656 §13), but not over TCP (§15)`, () => {
      for (const canSetDontFragment of [true, false]) {
        const harness = new Harness(testConfig({ canSetDontFragment }));
        const flags = [harness.udpClient(from), harness.streamClient(from)].map((client) => {
          client.mustAllocate({ additionalAddressFamily: 2 });
          client.permit([peer]);
          return ofType(client.send(peer, bytes('a'), { dontFragment: true }), 'send').map(
            (order) => order.dontFragment,
          );
        });
        assert.deepEqual(flags, [[undefined], canSetDontFragment ? [true] : []]);
      }
    });
  }

  test('other indications are dropped', () => {
    const { harness, client } = allocated();
    const header = { class: 'indication', method: METHOD_DATA, transactionId: new Uint8Array(12) } as const;
    assert.deepEqual(
      client.raw(encodeMessage({ ...header, attributes: { data: bytes('a'), xorPeerAddresses: [PEER] } })),
      [],
    );
    assert.equal(harness.drops('unexpected-indication'), 1);
  });
});

describe('data from a peer (RFC 8656 §11.3, §12.7)', () => {
  test('without a channel: a Data indication with address and data', () => {
    const { harness, client, relayed } = allocated();
    const orders = harness.fromPeer(relayed, PEER, bytes('hello'));
    const message = mustDecode(client.packetsIn(orders)[0] ?? new Uint8Array());
    assert.equal(message.class, 'indication');
    assert.equal(message.method, METHOD_DATA);
    assert.deepEqual(message.attributes.xorPeerAddresses, [PEER]);
    assert.deepEqual(message.attributes.data, bytes('hello'));
    assert.deepEqual(harness.service.stats().relayed.to_client, { packets: 1, bytes: 5 });
  });

  test('Data indications have different transaction ids', () => {
    const { harness, client, relayed } = allocated();
    const ids = [1, 2].map(() => {
      const [packet] = client.packetsIn(harness.fromPeer(relayed, PEER, bytes('a')));
      return mustDecode(packet ?? new Uint8Array()).transactionId.toString();
    });
    assert.notEqual(ids[0], ids[1]);
  });

  test('with a channel: ChannelData, without padding over UDP', () => {
    const { harness, client, relayed } = allocated();
    client.bind(0x4abc, PEER);
    const [packet] = client.packetsIn(harness.fromPeer(relayed, PEER, bytes('hello')));
    assert.deepEqual(packet, Uint8Array.of(0x4a, 0xbc, 0, 5, ...bytes('hello')));
    const [other] = client.packetsIn(harness.fromPeer(relayed, { ...PEER, port: 1 }, bytes('hello')));
    assert.equal(other?.[0], 0x00, 'another port of the peer has no channel');
  });

  test('too big for the client is dropped, not thrown at', () => {
    const { harness, client, relayed } = allocated(new Harness(), [PEER]);
    assert.deepEqual(harness.fromPeer(relayed, PEER, new Uint8Array(65_507)), []);
    assert.equal(harness.drops('too-big'), 1);
    assert.equal(client.packetsIn(harness.fromPeer(relayed, PEER, new Uint8Array(65_400))).length, 1);
  });
});

describe('ChannelData (RFC 8656 §12.6)', () => {
  for (const size of [0, 1, 3, 4, 160, 1400]) {
    test(`${size} bytes, with and without padding`, () => {
      const { harness, client, relayed } = allocated();
      client.bind(0x4000, PEER);
      const data = new Uint8Array(size).fill(6);
      const expected = [{ type: 'send', from: harness.socketOf(relayed), to: PEER, packet: data }];
      assert.deepEqual(client.channelData(0x4000, data, false), expected);
      assert.deepEqual(client.channelData(0x4000, data, true), expected);
    });
  }

  test('an unbound channel, or one of another client, is dropped', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    assert.deepEqual(client.channelData(0x4001, bytes('a')), []);
    assert.equal(harness.drops('unknown-channel'), 1);
    assert.deepEqual(harness.udpClient('203.0.113.10:1').channelData(0x4000, bytes('a')), []);
    assert.equal(harness.drops('no-allocation'), 1);
  });

  test('refreshes neither binding nor permission', () => {
    const { harness, client } = allocated();
    client.bind(0x4000, PEER);
    harness.pass(299_000);
    client.channelData(0x4000, bytes('a'));
    harness.pass(1_000);
    assert.deepEqual(client.channelData(0x4000, bytes('a')), []);
  });
});

describe('bandwidth quota on the slow path (RFC 8656 §5)', () => {
  const quota = { perUser: 0, total: 0, bytesPerSecond: 100_000 };

  test('what is beyond the burst is dropped, and time refills', () => {
    const { harness, client } = allocated(new Harness(testConfig({ quota })));
    const sent = (count: number) =>
      Array.from({ length: count }, () => client.send(PEER, new Uint8Array(1000))).filter(({ length }) => length > 0)
        .length;
    assert.equal(sent(150), 100);
    assert.equal(harness.drops('rate-limited'), 50);
    harness.pass(500);
    assert.equal(sent(100), 50);
  });

  test('the directions have a quota each', () => {
    const { harness, client, relayed } = allocated(new Harness(testConfig({ quota })));
    for (let count = 0; count < 100; count++) client.send(PEER, new Uint8Array(1000));
    assert.deepEqual(client.send(PEER, bytes('a')), []);
    assert.equal(harness.fromPeer(relayed, PEER, new Uint8Array(1000)).length, 1);
  });

  test('a datagram of full size passes a small quota', () => {
    const { client } = allocated(new Harness(testConfig({ quota: { ...quota, bytesPerSecond: 10 } })));
    assert.equal(client.send(PEER, new Uint8Array(60_000)).length, 1);
  });
});

test('ChannelData to the client can be decoded by the client', () => {
  const { harness, client, relayed } = allocated();
  client.bind(0x4000, PEER);
  const [packet] = client.packetsIn(harness.fromPeer(relayed, PEER, bytes('xyz')));
  const decoded = decodeChannelData(packet ?? new Uint8Array());
  assert.deepEqual(decoded && { ...decoded, data: decoded.data.slice() }, { channel: 0x4000, data: bytes('xyz') });
});
