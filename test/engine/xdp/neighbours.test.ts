// Next hops that only the kernel's program sends to: the neighbour table must not grow stale under it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { XdpEngine } from '../../../src/engine/xdp/xdp.ts';
import type { Family } from '../../../src/net/address.ts';
import type { FlowId } from '../../../src/net/ids.ts';
import { interfaceIndex } from '../../../src/sys/interfaces.ts';
import { useNeighbours } from '../../../src/sys/neighbours.ts';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { missing } from '../../requirements.ts';
import { until } from '../conformance/rig.ts';
import { EngineRig } from './engine-rig.ts';
import { ip } from './namespace.ts';

describe('neighbours of the xdp engine', { skip: missing('bpf', 'ffi') }, () => {
  let rig: EngineRig;

  before(() => {
    rig = new EngineRig();
    for (const family of ['ipv4', 'ipv6']) {
      // What takes a minute elsewhere takes a second here.
      for (const [name, value] of [
        ['base_reachable_time_ms', 300],
        ['retrans_time_ms', 100],
        ['ucast_solicit', 1],
        ['delay_first_probe_time', 1],
      ]) {
        writeFileSync(`/proc/sys/net/${family}/neigh/relay0/${name}`, String(value));
      }
    }
  });
  afterEach(() => rig.reset());
  after(() => rig.close());

  const stateOf = (address: string): string => {
    const [entry] = JSON.parse(ip('-json', 'neigh', 'show', address, 'dev', 'relay0')) as { state: string[] }[];
    return entry?.state[0] ?? 'none';
  };

  for (const family of [4, 6] as const) {
    test(`IPv${family}: an entry that is used is looked after, and one that is gone is made`, async () => {
      const address = rig.network.peer(family);
      const neighbour = { ifindex: interfaceIndex('relay0'), family, address: bytesOf(family) };
      ip('neigh', 'replace', address, 'lladdr', '02:00:00:00:00:77', 'dev', 'relay0', 'nud', 'stale');
      assert.equal(stateOf(address), 'STALE');
      useNeighbours([neighbour]);
      assert.notEqual(stateOf(address), 'STALE');
      ip('neigh', 'delete', address, 'dev', 'relay0');
      useNeighbours([neighbour]);
      await until(() => stateOf(address) === 'REACHABLE', 'an answer of the neighbour');
    });

    test(`IPv${family}: a neighbour that silently changed its hardware address is found again`, async () => {
      const engine = rig.started();
      const { client, target, at, via, installed } = await rig.joined(engine, family, family);
      for (const text of ['one', 'two', 'three']) {
        await client.send(at.local, text);
        await target.expect(text, via.local);
      }
      const ours = /link\/ether (\S+)/.exec(ip('link', 'show', 'relay0'))?.[1] ?? '';
      rig.network.atPeer(() => {
        ip('link', 'set', 'peers0', 'address', `02:00:00:00:aa:0${family}`);
        // Or it would ask for ours, and tell us its own by that.
        ip('neigh', 'replace', rig.network.engine(family), 'lladdr', ours, 'dev', 'peers0', 'nud', 'permanent');
      });
      // As it is a while after the kernel itself has sent something, which it did for the first packet.
      const entry = ip('neigh', 'show', rig.network.peer(family), 'dev', 'relay0').split(' ');
      const old = entry[entry.indexOf('lladdr') + 1] ?? '';
      ip('neigh', 'replace', rig.network.peer(family), 'lladdr', old, 'dev', 'relay0', 'nud', 'stale');
      const before = inKernel(engine, installed.id);
      await client.send(at.local, 'lost');
      await until(() => inKernel(engine, installed.id) > before, 'the kernel to send it on');
      target.expectSilence();
      assert.equal(inKernel(engine, installed.id), before + 1);
      let found = false;
      void target.next().then(() => {
        found = true;
      });
      for (const end = Date.now() + PATIENCE_MILLIS; !found && Date.now() < end; await sleep(50)) {
        await client.send(at.local, 'again');
      }
      assert.ok(found, 'the neighbour was not found again');
      // And not by userspace alone.
      const then = inKernel(engine, installed.id);
      for (
        const end = Date.now() + PATIENCE_MILLIS;
        inKernel(engine, installed.id) < then + 10 && Date.now() < end;
        await sleep(20)
      ) {
        await client.send(at.local, 'on');
      }
      assert.ok(inKernel(engine, installed.id) >= then + 10, 'the kernel does not forward again');
      engine.removeFlow(installed.id);
    });
  }

  test('an entry that is thrown away costs a packet that goes through userspace, and no more', async () => {
    const engine = rig.started();
    const { client, target, at, via } = await rig.joined(engine);
    const packets = async (count: number): Promise<void> => {
      for (let packet = 0; packet < count; packet++) {
        await client.send(at.local, `packet ${packet}`);
        await target.expect(`packet ${packet}`, via.local);
      }
    };
    await packets(5);
    ip('neigh', 'delete', rig.network.peer(4), 'dev', 'relay0');
    // The flow remembers its next hop for a second.
    await sleep(1100);
    await packets(20);
    const passed = engine.stats().slowPath?.passes.get('forward')?.get('no-neighbour') ?? 0;
    assert.ok(passed >= 1 && passed <= 3, `${passed} packets had no neighbour`);
  });

  /** Packets of a flow that did not go through userspace. */
  function inKernel(engine: XdpEngine, flow: FlowId): number {
    return (engine.flowCounters(flow)?.packets ?? 0) - (rig.inner?.flowCounters(flow)?.packets ?? 0);
  }

  function bytesOf(family: Family): Buffer {
    return family === 4 ? Buffer.from([192, 0, 2, 2]) : Buffer.from('20010db8000000000000000000000002', 'hex');
  }
});
