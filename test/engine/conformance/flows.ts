import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineMisuse } from '../../../src/engine/engine.ts';
import type { Family } from '../../../src/net/address.ts';
import { bucketId, channel, channelData, type FlowParts, receiver } from '../../flow/example.ts';
import { type ConformanceOptions, Rig, until } from './rig.ts';

const strip: FlowParts = { discriminator: channel(0x4001), encapsulation: { kind: 'strip' } };
const add: FlowParts = { encapsulation: { kind: 'add', channel: 0x4001 } };
const data = Buffer.from('some data');

/** What flows do with packets, and when they stop. */
export function flowTests(options: ConformanceOptions): void {
  const families: [Family, Family][] = [
    [4, 4],
    [6, 6],
    [4, 6],
    [6, 4],
  ];
  for (const [inside, outside] of families) {
    const skip = inside === 6 || outside === 6 ? (options.skips.ipv6 ?? false) : false;
    test(`IPv${inside} client, IPv${outside} peer: each encapsulation`, { skip }, async (t) => {
      const { client, peer, listener, port, rig } = await relay(t, options, inside, outside);
      rig.flow(listener, client.local, port, peer.local, strip);
      const back = rig.flow(port, peer.local, listener, client.local, add);

      await client.send(listener.local, channelData(0x4001, data));
      await peer.expect(data, port.local);
      await client.send(listener.local, channelData(0x4001, data, 3));
      await peer.expect(data, port.local);
      await client.send(listener.local, channelData(0x4001, Buffer.alloc(0)));
      await peer.expect('', port.local);
      await peer.send(port.local, data);
      await client.expect(channelData(0x4001, data), listener.local);
      await peer.send(port.local, '');
      await client.expect(channelData(0x4001, Buffer.alloc(0)), listener.local);

      rig.engine.removeFlow(back.id);
      rig.flow(port, peer.local, listener, client.local, { encapsulation: { kind: 'keep' } });
      await peer.send(port.local, channelData(0x4001, data, 2));
      await client.expect(channelData(0x4001, data, 2), listener.local);
      assert.deepEqual(rig.datagrams, [], 'nothing went up');
    });
  }

  test('replace changes the number and takes the padding off', async (t) => {
    const { client, peer, listener, rig } = await relay(t, options);
    const encapsulation = { kind: 'replace', channel: 0x4fff } as const;
    rig.flow(listener, client.local, listener, peer.local, { discriminator: channel(0x4001), encapsulation });
    await client.send(listener.local, channelData(0x4001, data, 3));
    await peer.expect(channelData(0x4fff, data), listener.local);
  });

  test('a payload that begins with the excepted word goes up, others by the flow', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    rig.flow(listener, client.local, port, peer.local, { exceptWord: 0x04b28000 });
    const handshake = Uint8Array.of(0x04, 0xb2, 0x80, 0x00, 1, 2, 3);
    await client.send(listener.local, handshake);
    await client.send(listener.local, data);
    await peer.expect(data, port.local);
    await until(() => rig.datagrams.length === 1, 'the handshake came up');
    assert.deepEqual(new Uint8Array(rig.datagrams[0]?.packet ?? []), handshake);
  });

  test('hairpin: two ports of the same relay talk through it', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const second = await rig.openPort();
    rig.flow(listener, client.local, port, second.local, strip);
    rig.flow(second, port.local, listener, peer.local, { encapsulation: { kind: 'add', channel: 0x4777 } });
    await client.send(listener.local, channelData(0x4001, data));
    await peer.expect(channelData(0x4777, data), listener.local);
  });

  test('other channels, other remotes and broken ChannelData go up', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    rig.flow(listener, client.local, port, peer.local, strip);
    const misses: Uint8Array[] = [
      channelData(0x4002, data),
      Buffer.from([0x40, 1, 0, 9, 1]),
      Buffer.from([0, 1, 0, 0]),
    ];
    for (const packet of misses) {
      await client.send(listener.local, packet);
      const { at, from, packet: got } = await rig.miss();
      assert.equal(at, listener.id);
      assert.deepEqual(from, client.local);
      assert.equal(got.toString('hex'), Buffer.from(packet).toString('hex'));
    }
    const stranger = await rig.peer(t);
    await stranger.send(listener.local, channelData(0x4001, data));
    assert.deepEqual((await rig.miss()).from, stranger.local);
    peer.expectSilence();
  });

  test('WireGuard messages go by their receiver index', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const other = await rig.peer(t);
    rig.flow(listener, client.local, port, peer.local, { discriminator: receiver(0xfedcba98) });
    rig.flow(listener, client.local, port, other.local);
    const message = Buffer.alloc(32);
    message[0] = 4;
    message.writeUInt32LE(0xfedcba98, 4);
    await client.send(listener.local, message);
    await peer.expect(message, port.local);
    message[4] = 0;
    await client.send(listener.local, message);
    await other.expect(message, port.local);
  });

  test('a flow with the same match replaces the older one at once', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const other = await rig.peer(t);
    const first = rig.flow(listener, client.local, port, other.local, strip);
    rig.flow(listener, client.local, port, peer.local, strip);
    await client.send(listener.local, channelData(0x4001, data));
    await peer.expect(data, port.local);
    other.expectSilence();
    assert.equal(rig.engine.flowCounters(first.id), undefined);
    assert.equal(rig.engine.removeFlow(first.id), undefined);
  });

  test('a removed flow forwards nothing more and leaves its counters', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const flow = rig.flow(listener, client.local, port, peer.local, strip);
    assert.deepEqual(rig.engine.flowCounters(flow.id), { packets: 0, bytes: 0, lastSeen: 0 });
    for (const padding of [0, 3]) {
      await client.send(listener.local, channelData(0x4001, data, padding));
      await peer.expect(data, port.local);
    }
    const counters = { packets: 2, bytes: 2 * (4 + data.length) + 3, lastSeen: rig.now };
    assert.deepEqual(rig.engine.flowCounters(flow.id), counters);
    assert.deepEqual(rig.engine.removeFlow(flow.id), counters);
    await client.send(listener.local, channelData(0x4001, data));
    await rig.miss();
    peer.expectSilence();
    assert.equal(rig.engine.removeFlow(flow.id), undefined);
  });

  test('closing a port forgets the flows that arrive at it and those that leave by it', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const out = rig.flow(listener, client.local, port, peer.local, strip);
    const back = rig.flow(port, peer.local, listener, client.local, add);
    rig.engine.closePort(port.id);
    assert.equal(rig.engine.flowCounters(out.id), undefined);
    assert.equal(rig.engine.flowCounters(back.id), undefined);
    assert.equal(rig.engine.stats().flows.get('turn') ?? 0, 0);
    await client.send(listener.local, channelData(0x4001, data));
    await rig.miss();
    peer.expectSilence();
  });

  test('flows that no service may ask for are misuse', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const gone = { id: rig.ids.socket(), local: port.local };
    assert.throws(() => rig.flow(listener, client.local, gone, peer.local), EngineMisuse);
    assert.throws(() => rig.flow(gone, client.local, port, peer.local), EngineMisuse);
    const six = { family: 6, address: '::1', port: 1 } as const;
    assert.throws(() => rig.flow(listener, client.local, port, six), EngineMisuse);
    const bare = { encapsulation: { kind: 'strip' } } as const;
    assert.throws(() => rig.flow(listener, client.local, port, peer.local, bare), EngineMisuse);
    const flow = rig.flow(listener, client.local, port, peer.local);
    const elsewhere = { ...flow, match: { ...flow.match, remote: peer.local } };
    assert.throws(() => rig.engine.addFlow(elsewhere), EngineMisuse);
  });

  test('what grows too big by its header is dropped and counted', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    rig.flow(port, peer.local, listener, client.local, add);
    await peer.send(port.local, Buffer.alloc(65_504));
    await rig.dropped('turn', 'too-big', 1);
    await peer.send(port.local, Buffer.alloc(65_503));
    assert.equal((await client.next()).packet.length, 65_507);
  });

  test('a flow to port 0 is a counted drop', async (t) => {
    const { client, listener, port, rig } = await relay(t, options);
    rig.flow(listener, client.local, port, { family: 4, address: '127.0.0.1', port: 0 }, { service: 'forward' });
    await client.send(listener.local, data);
    await rig.dropped('forward', 'port-zero', 1);
  });

  test('byte-rate limits, shared by bucket', { skip: options.skips.clock ?? false }, async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const limit = { bucket: bucketId(1), bytesPerSecond: 1000, burst: 250 };
    rig.flow(listener, client.local, port, peer.local, { limit });
    rig.flow(port, peer.local, listener, client.local, { limit });
    const packet = Buffer.alloc(100, 0xaa);
    await client.send(listener.local, packet);
    await peer.expect(packet, port.local);
    await peer.send(port.local, packet);
    await client.expect(packet, listener.local);
    await client.send(listener.local, packet);
    await rig.dropped('turn', 'rate-limited', 1);
    rig.now += 49;
    await peer.send(port.local, packet);
    await rig.dropped('turn', 'rate-limited', 2);
    rig.now += 1;
    await client.send(listener.local, packet);
    await peer.expect(packet, port.local);
  });

  test('idle flows are reaped and reported, busy ones and endless ones stay', {
    skip: options.skips.clock ?? false,
  }, async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    const idle = rig.flow(listener, client.local, port, peer.local, { ...strip, idle: 60_000 });
    const busy = rig.flow(port, peer.local, listener, client.local, { ...add, idle: 60_000 });
    const endless = rig.flow(listener, peer.local, port, client.local);
    rig.now += 50_000;
    await peer.send(port.local, data);
    await client.expect(channelData(0x4001, data), listener.local);
    rig.now += 20_000;
    await until(() => rig.idle.length > 0, 'the idle flow to be reported');
    assert.deepEqual(rig.idle, [{ flow: idle.id, service: 'turn' }]);
    assert.equal(rig.engine.flowCounters(idle.id), undefined);
    assert.notEqual(rig.engine.flowCounters(busy.id), undefined);
    await client.send(listener.local, channelData(0x4001, data));
    await rig.miss();
    rig.now += 60_000;
    await until(() => rig.idle.length > 1, 'the second flow to be reported');
    assert.deepEqual(rig.idle[1], { flow: busy.id, service: 'turn' });
    assert.deepEqual(rig.carriedByIdle, [0, 1]);
    assert.notEqual(rig.engine.flowCounters(endless.id), undefined);
  });

  test('stats tell flows, traffic and drops by service', async (t) => {
    const { client, peer, listener, port, rig } = await relay(t, options);
    rig.flow(listener, client.local, port, peer.local, { service: 'pair' });
    const back = rig.flow(port, peer.local, listener, client.local, { service: 'pair', direction: 'to_client' });
    await client.send(listener.local, 'abc');
    await peer.expect('abc', port.local);
    await peer.send(port.local, 'de');
    await client.expect('de', listener.local);
    assert.equal(rig.engine.stats().flows.get('pair'), 2);
    const listed = [...rig.engine.flows()].map(({ flow, packets, bytes, lastSeen }) => [
      flow.id,
      packets,
      bytes,
      lastSeen,
    ]);
    assert.deepEqual(listed.at(-1), [back.id, 1, 2, rig.now]);
    assert.equal(listed.length, 2);
    rig.engine.removeFlow(back.id);
    assert.equal([...rig.engine.flows()].length, 1);
    const { flows, traffic } = rig.engine.stats();
    assert.equal(flows.get('pair'), 1);
    const sorted = traffic.filter(({ service }) => service === 'pair').sort((a, b) => b.bytes - a.bytes);
    assert.deepEqual(sorted, [
      { service: 'pair', direction: 'to_peer', packets: 1, bytes: 3 },
      { service: 'pair', direction: 'to_client', packets: 1, bytes: 2 },
    ]);
  });
}

/** A listener with a client of `inside` family and a relayed port with a peer of `outside` family. */
async function relay(
  t: Parameters<typeof Rig.start>[0],
  options: ConformanceOptions,
  inside: Family = 4,
  outside: Family = 4,
) {
  const rig = await Rig.start(t, options);
  return {
    rig,
    listener: await rig.listenUdp(inside),
    port: await rig.openPort(outside),
    client: await rig.peer(t, inside),
    peer: await rig.peer(t, outside),
  };
}
