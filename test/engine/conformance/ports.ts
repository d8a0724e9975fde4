import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineMisuse } from '../../../src/engine/engine.ts';
import type { Family } from '../../../src/net/address.ts';
import type { SocketId } from '../../../src/net/ids.ts';
import { freePort } from '../../ports.ts';
import { type ConformanceOptions, loopback, Rig, until } from './rig.ts';

/** Opening and closing UDP sockets, misses, and packets that a service sends. */
export function portTests(options: ConformanceOptions): void {
  for (const family of [4, 6] as const) {
    const skip = family === 6 ? (options.skips.ipv6 ?? false) : false;

    test(`IPv${family}: a datagram without a flow goes up, and an answer goes back`, { skip }, async (t) => {
      const rig = await Rig.start(t, options);
      const listener = await rig.listenUdp(family);
      const client = await rig.peer(t, family);
      await client.send(listener.local, 'question');
      const { at, from, packet } = await rig.miss();
      assert.equal(at, listener.id);
      assert.deepEqual(from, client.local);
      assert.equal(packet.toString(), 'question');
      rig.engine.send(listener.id, from, Buffer.from('answer'));
      await client.expect('answer', listener.local);
    });

    test(`IPv${family}: a relayed port receives and sends`, { skip }, async (t) => {
      const rig = await Rig.start(t, options);
      const port = await rig.openPort(family);
      const peer = await rig.peer(t, family);
      assert.equal(port.local.family, family);
      await peer.send(port.local, '');
      const { at, packet } = await rig.miss();
      assert.equal(at, port.id);
      assert.equal(packet.length, 0, 'an empty datagram is one');
      rig.engine.send(port.id, peer.local, new Uint8Array(0));
      await peer.expect('', port.local);
    });
  }

  test('a wildcard listener on IPv6 leaves the IPv4 port to others', {
    skip: options.skips.ipv6 ?? false,
  }, async (t) => {
    const rig = await Rig.start(t, options);
    // Free for both, and not given to anybody else meanwhile.
    const port = await freePort();
    await rig.listenUdp(6, { family: 6, address: '::', port });
    const four = await rig.listenUdp(4, { family: 4, address: '0.0.0.0', port });
    const client = await rig.peer(t, 4);
    await client.send({ ...rig.here(4), port: four.local.port }, 'x');
    const { at, from } = await rig.miss();
    assert.equal(at, four.id);
    assert.deepEqual(from, client.local);
  });

  test('what may be reused after send() is not what goes out', async (t) => {
    const rig = await Rig.start(t, options);
    const port = await rig.openPort();
    const peer = await rig.peer(t);
    const packet = Buffer.alloc(1200);
    for (let n = 0; n < 50; n++) {
      packet.fill(n);
      rig.engine.send(port.id, peer.local, packet);
    }
    packet.fill(0xff);
    for (let n = 0; n < 50; n++) assert.deepEqual((await peer.next()).packet, Buffer.alloc(1200, n));
  });

  test('a port in use is a result, for openPort and for listen', async (t) => {
    const rig = await Rig.start(t, options);
    const { local } = await rig.openPort();
    const again = await rig.tryPort(local);
    assert.equal(again.ok ? '' : again.failure, 'in-use');
    const listener = await rig.engine.listen(rig.ids.socket(), { transport: 'udp', local });
    assert.equal(listener.ok ? '' : listener.failure, 'in-use');
    assert.ok(!listener.ok && listener.detail.length > 0);
  });

  test('an address that is not here is a result', async (t) => {
    const rig = await Rig.start(t, options);
    const local = { family: 4, address: '192.0.2.123', port: 0 } as const;
    const port = await rig.tryPort(local);
    assert.equal(port.ok ? '' : port.failure, 'no-address');
    const listener = await rig.engine.listen(rig.ids.socket(), { transport: 'udp', local });
    assert.equal(listener.ok ? '' : listener.failure, 'no-address');
  });

  test('a closed port is free again, and nothing of it goes up', async (t) => {
    const rig = await Rig.start(t, options);
    const port = await rig.openPort();
    const other = await rig.openPort();
    rig.engine.closePort(port.id);
    const client = await rig.peer(t);
    await client.send(port.local, 'late');
    await client.send(other.local, 'marker');
    assert.equal((await rig.miss()).packet.toString(), 'marker');
    const again = await rig.tryPort(port.local);
    assert.ok(again.ok);
  });

  test('a port that is closed before its answer gets none', async (t) => {
    const rig = await Rig.start(t, options);
    const id = rig.ids.socket();
    rig.engine.openPort(id, loopback(4));
    rig.engine.closePort(id);
    await rig.openPort();
    assert.equal(rig.opened.has(id), false);
  });

  test('five hundred ports open and close', async (t) => {
    const rig = await Rig.start(t, options);
    const ids: SocketId[] = [];
    for (let n = 0; n < 500; n++) {
      const id = rig.ids.socket();
      ids.push(id);
      rig.engine.openPort(id, loopback(4));
    }
    await until(() => rig.opened.size === 500, 'every answer');
    const ports = new Set([...rig.opened.values()].map((result) => (result.ok ? result.local.port : 0)));
    assert.equal(ports.size, 500, 'all bound, each somewhere else');
    for (const id of ids) rig.engine.closePort(id);
  });

  test('misuse throws', async (t) => {
    const rig = await Rig.start(t, options);
    const { id, local } = await rig.openPort();
    const unknown = rig.ids.socket();
    assert.throws(() => rig.engine.openPort(id, loopback(4)), EngineMisuse);
    await assert.rejects(rig.engine.listen(id, { transport: 'udp', local: loopback(4) }), EngineMisuse);
    assert.throws(() => rig.engine.send(unknown, local, Buffer.from('x')), EngineMisuse);
    assert.throws(() => rig.engine.closePort(unknown), EngineMisuse);
    assert.throws(() => rig.engine.updateTls(id, { cert: '', key: '' }), EngineMisuse);
  });

  test('what cannot be sent is counted by name', async (t) => {
    const rig = await Rig.start(t, options);
    const port = await rig.openPort();
    const peer = await rig.peer(t);
    const to = (endpoint: Partial<typeof peer.local>) => ({ ...peer.local, ...endpoint });
    rig.engine.send(port.id, to({ port: 0 }), Buffer.from('x'));
    rig.engine.send(port.id, peer.local, Buffer.alloc(65_508));
    rig.engine.send(port.id, to({ family: 6 as Family, address: '::1' }), Buffer.from('x'));
    await rig.dropped('engine', 'port-zero', 1);
    await rig.dropped('engine', 'too-big', 1);
    await rig.dropped('engine', 'bad-address', 1);
    rig.engine.send(port.id, peer.local, Buffer.alloc(65_507));
    assert.equal((await peer.next()).packet.length, 65_507, 'the largest goes');
  });
}
