import assert from 'node:assert/strict';
import { enableCompileCache } from 'node:module';
import { after, describe, test } from 'node:test';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import { Homes, Sources } from '../../../src/engine/batched/sources.ts';
import type { Family } from '../../../src/net/address.ts';
import { openDescriptors } from '../../../src/sys/fd.ts';
import { socketId } from '../../flow/example.ts';
import { missing } from '../../requirements.ts';
import type { Peer } from '../conformance/peer.ts';
import { type Bound, type ConformanceOptions, Rig } from '../conformance/rig.ts';
import { enterNamespace, ip, OtherSide } from '../xdp/namespace.ts';

enableCompileCache();

const ADDRESSES: Readonly<Record<Family, readonly [string, string]>> = {
  4: ['10.202.0.1', '10.202.0.11'],
  6: ['fd00:202::1', 'fd00:202::11'],
};
const FAR: Readonly<Record<Family, string>> = { 4: '10.202.0.2', 6: 'fd00:202::2' };

describe('a wildcard listener on a machine of two addresses', { skip: missing('ffi', 'netns', 'ipv6') }, () => {
  let other: OtherSide | undefined;
  after(() => {
    other?.close();
    assert.deepEqual(openDescriptors(), []);
  });

  function options(switches: object = {}): ConformanceOptions {
    if (other === undefined) {
      enterNamespace();
      other = new OtherSide();
      other.connect('near', 'far');
      for (const address of ADDRESSES[4]) ip('addr', 'add', `${address}/24`, 'dev', 'near');
      for (const address of ADDRESSES[6]) ip('addr', 'add', `${address}/64`, 'dev', 'near', 'nodad');
      other.visit(() => {
        ip('addr', 'add', `${FAR[4]}/24`, 'dev', 'far');
        ip('addr', 'add', `${FAR[6]}/64`, 'dev', 'far', 'nodad');
      });
    }
    const side = other;
    return {
      name: 'batched',
      create: (parts) => createBatchedEngine({ ...parts, ...switches, seed: 1 }),
      skips: {},
      network: {
        engine: (family) => (family === 4 ? '0.0.0.0' : '::'),
        peer: (family) => FAR[family],
        atPeer: (open) => side.visit(open),
      },
    };
  }

  for (const family of [4, 6] as const) {
    for (const address of ADDRESSES[family]) {
      test(`answers from ${address} who asked that`, async (t) => {
        const rig = await Rig.start(t, options());
        const listener = await rig.listenUdp(family);
        const client = await rig.peer(t, family);
        await ask(rig, client, listener, address);
        rig.engine.send(listener.id, client.local, Buffer.alloc(0));
        assert.equal((await client.next()).address, address);
        // Long after, and for who asked to have it whole.
        rig.engine.send(listener.id, client.local, Buffer.from('x'), true);
        assert.equal((await client.next()).address, address);
      });
    }

    for (const switches of [{}, { gso: false, uring: false }]) {
      test(`IPv${family}: flows lead to a client from where he asked (${JSON.stringify(switches)})`, async (t) => {
        const rig = await Rig.start(t, options(switches));
        const listener = await rig.listenUdp(family);
        const port = await rig.openPort(family);
        const [client, peer] = [await rig.peer(t, family), await rig.peer(t, family)];
        const [first, second] = ADDRESSES[family];
        await ask(rig, client, listener, second);
        // Whoever speaks to a relayed port is answered from there too.
        await ask(rig, peer, port, first);
        const toClient = rig.flow(port, peer.local, listener, client.local);
        const toPeer = rig.flow(listener, client.local, port, peer.local);
        const train = Array.from({ length: 20 }, (_, n) => Buffer.alloc(100, n));
        for (const packet of train) await peer.send({ ...port.local, address: first }, packet);
        for (const packet of train)
          assert.deepEqual(await client.next(), { packet, from: listener.local.port, address: second });
        await client.send({ ...listener.local, address: second }, 'back');
        assert.equal((await peer.next()).address, first);

        // Somebody with the client's address turns to another address of ours. It may be he, or not: his flow stays where it was.
        rig.engine.removeFlow(toPeer.id);
        await ask(rig, client, listener, first);
        await peer.send({ ...port.local, address: first }, 'on');
        assert.equal((await client.next()).address, second);
        rig.engine.removeFlow(toClient.id);
        rig.engine.send(listener.id, client.local, Buffer.from('x'));
        assert.equal((await client.next()).address, first);
      });
    }
  }

  async function ask(rig: Rig, client: Peer, { local }: Bound, address: string): Promise<void> {
    await client.send({ ...local, address }, 'question');
    assert.equal((await rig.miss()).packet.toString(), 'question');
  }
});

class Two extends Homes {
  own = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
  override isEvident(): boolean {
    return false;
  }
  override areSeveral(): boolean {
    return true;
  }
  override has(address: string): boolean {
    return this.own.includes(address);
  }
}

test('a forged sender is answered where he asked, and moves no flow of the client', () => {
  const homes = new Two();
  const listener = socketId(1);
  const sources = new Sources(() => true, homes);
  const client = { family: 4, address: '192.0.2.1', port: 5 } as const;
  const changes: string[] = [];
  sources.onChange = (places, address) => changes.push(`${[...places]} ${address}`);
  sources.heard(listener, client, '10.0.0.1');
  assert.equal(sources.hold({ socket: listener, remote: client }, 8), '10.0.0.1');
  sources.answered();

  sources.heard(listener, client, '10.0.0.2');
  assert.equal(sources.of(listener, client), '10.0.0.2', 'the answer to that');
  sources.answered();
  assert.equal(sources.of(listener, client), '10.0.0.1', 'all else');
  assert.deepEqual(changes, []);
  assert.equal(sources.hold({ socket: listener, remote: client }, 9), '10.0.0.2', 'a flow that is made later');

  homes.own = ['10.0.0.1', '10.0.0.3'];
  sources.heard(listener, client, '10.0.0.3');
  assert.deepEqual(changes, ['8,9 10.0.0.3'], 'from an address that is gone nothing leaves');
});

test('strangers push out strangers, and nobody to whom a flow leads', () => {
  const listener = socketId(1);
  const sources = new Sources((socket) => socket === listener, new Two());
  const client = (n: number) => ({ family: 4, address: '192.0.2.1', port: n }) as const;
  const changes: string[] = [];
  sources.onChange = (places, address) => changes.push(`${[...places]} ${address}`);

  assert.equal(sources.hold({ socket: socketId(2), remote: client(1) }, 7), undefined, 'bound to one address');
  assert.equal(sources.hold({ socket: listener, remote: client(1) }, 8), undefined, 'not heard of yet');
  sources.heard(listener, client(1), '10.0.0.1');
  sources.heard(listener, client(2), '10.0.0.2');
  assert.deepEqual(changes, ['8 10.0.0.1']);
  for (let n = 3; n < 20_000; n++) sources.heard(listener, client(n), '10.0.0.3');
  sources.answered();
  assert.equal(sources.of(listener, client(1)), '10.0.0.1');
  assert.equal(sources.of(listener, client(2)), undefined);
  assert.equal(sources.of(listener, client(19_999)), '10.0.0.3');
  sources.letGo({ socket: listener, remote: client(1) }, 8);
  assert.equal(sources.of(listener, client(1)), '10.0.0.1', 'the latest of the strangers now');
  for (let n = 20_000; n < 40_000; n++) sources.heard(listener, client(n), '10.0.0.3');
  assert.equal(sources.of(listener, client(1)), undefined);
});
