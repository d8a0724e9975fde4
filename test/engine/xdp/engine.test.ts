// What the conformance suite cannot see: that it is the kernel which forwards, what is told where it cannot, and what goes on without the process.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Engine } from '../../../src/engine/engine.ts';
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { createXdpEngine, type XdpEngine, type XdpOptions, type XdpResult } from '../../../src/engine/xdp/xdp.ts';
import type { Flow } from '../../../src/flow/flow.ts';
import type { Family } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import { interfaceIndex } from '../../../src/sys/interfaces.ts';
import { XdpLink } from '../../../src/sys/libbpf/link.ts';
import { missing } from '../../requirements.ts';
import { Peer } from '../conformance/peer.ts';
import { until } from '../conformance/rig.ts';
import { mountOwnBpf } from './namespace.ts';
import { KernelRig } from './rig.ts';
import { TwoSides } from './two-sides.ts';

describe('the xdp engine', { skip: missing('bpf', 'ffi') }, () => {
  let network: TwoSides;
  let inner: Engine;
  let engines: XdpEngine[] = [];
  let logged: string[] = [];
  const peers: Peer[] = [];
  const ids = new IdSource();

  before(() => {
    network = new TwoSides();
    mountOwnBpf();
  });
  afterEach(async () => {
    for (const engine of engines) await engine.close();
    engines = [];
    logged = [];
    network.setPeerGro(true);
  });
  after(() => {
    for (const peer of peers) peer.close();
    network.other.close();
  });

  function create(options: Partial<XdpOptions> = {}): XdpResult {
    const result = createXdpEngine({
      sink: SINK,
      createInner: (sink) => (inner = createPortableEngine({ sink, ids })),
      interfaces: ['relay0'],
      mostFlows: 64,
      log: (message) => logged.push(message),
      ...options,
    });
    if (result.ok) engines.push(result.engine);
    return result;
  }

  function started(options: Partial<XdpOptions> = {}): XdpEngine {
    const result = create(options);
    assert.ok(result.ok, JSON.stringify(result));
    return result.engine;
  }

  async function peer(family: Family): Promise<Peer> {
    const opened = await Peer.open(family, network);
    peers.push(opened);
    return opened;
  }

  async function listen(engine: Engine, local: Endpoint): Promise<{ id: SocketId; local: Endpoint }> {
    const id = ids.socket();
    const result = await engine.listen(id, { transport: 'udp', local });
    assert.ok(result.ok);
    return { id, local: result.local };
  }

  function flow(
    at: { id: SocketId; local: Endpoint },
    from: Endpoint,
    via: { id: SocketId; local: Endpoint },
    to: Endpoint,
  ): Flow {
    return {
      id: ids.flow(),
      service: 'forward',
      direction: 'to_peer',
      match: { socket: at.id, local: at.local, remote: from, discriminator: { kind: 'none' } },
      rewrite: { socket: via.id, local: via.local, remote: to, encapsulation: { kind: 'keep' } },
      idle: 0,
    };
  }

  const here = (family: Family, port = 0): Endpoint => ({ family, address: network.engine(family), port });

  /** A client and a peer with a flow between them; one packet has gone, so that neighbours are known. */
  async function joined(engine: XdpEngine, inside: Family = 4, outside: Family = 4) {
    const [client, target] = [await peer(inside), await peer(outside)];
    const [at, via] = [await listen(engine, here(inside)), await listen(engine, here(outside))];
    const installed = flow(at, client.local, via, target.local);
    engine.addFlow(installed);
    await client.send(at.local, 'first');
    await target.expect('first', via.local);
    return { client, target, at, via, installed };
  }

  for (const mode of ['native', 'generic'] as const) {
    for (const [inside, outside] of [
      [4, 4],
      [4, 6],
      [6, 4],
      [6, 6],
    ] as const) {
      test(`${mode}, IPv${inside} to IPv${outside}: the engine below sees nothing of what flows`, async () => {
        network.setPeerGro(mode === 'native');
        const engine = started();
        assert.equal(engine.mode, mode);
        const { client, target, at, via, installed } = await joined(engine, inside, outside);
        const below = inner.flowCounters(installed.id)?.packets;
        for (let packet = 0; packet < 200; packet++) {
          await client.send(at.local, `packet ${packet}`);
          await target.expect(`packet ${packet}`, via.local);
        }
        assert.equal(inner.flowCounters(installed.id)?.packets, below);
        assert.equal(engine.flowCounters(installed.id)?.packets, 201);
        const [traffic] = engine.stats().traffic;
        assert.deepEqual([traffic?.service, traffic?.packets], ['forward', 201]);
        assert.equal(engine.removeFlow(installed.id)?.packets, 201);
      });
    }
  }

  test('from a wildcard listener the source is the address that the kernel would choose', async () => {
    const engine = started();
    const [client, target] = [await peer(4), await peer(4)];
    const any = await listen(engine, { family: 4, address: '0.0.0.0', port: 0 });
    const at = await listen(engine, here(4));
    const installed = flow(at, client.local, any, target.local);
    engine.addFlow(installed);
    engine.addFlow(flow(any, target.local, at, client.local));
    for (const text of ['one', 'two', 'three']) {
      await client.send(at.local, text);
      await target.expect(text, here(4, any.local.port));
      await target.send(here(4, any.local.port), text);
      await client.expect(text, at.local);
    }
    assert.ok((inner.flowCounters(installed.id)?.packets ?? 3) < 3);
  });

  test('flows beyond what the kernel holds go through userspace, counted and logged once', async () => {
    const engine = started();
    const { client, target, at, via } = await joined(engine);
    const others = await Promise.all(Array.from({ length: 80 }, () => peer(4)));
    for (const other of others) engine.addFlow(flow(at, other.local, via, target.local));
    for (const other of others) {
      await other.send(at.local, 'x');
      await target.expect('x', via.local);
    }
    await client.send(at.local, 'y');
    await target.expect('y', via.local);
    const refused = engine.stats().slowPath?.refusedFlows.get('map-full') ?? 0;
    assert.ok(refused >= 17, `${refused} were refused`);
    assert.equal(logged.filter((line) => line.includes('map-full')).length, 1);
  });

  test('a veth whose peer switches GRO off under a native program goes on generic', async () => {
    network.setPeerGro(true);
    const engine = started();
    const { client, target, at, via } = await joined(engine);
    assert.equal(engine.mode, 'native');
    network.setPeerGro(false);
    await until(() => engine.mode === 'generic', 'the change of mode');
    await client.send(at.local, 'after');
    await target.expect('after', via.local);
    assert.match(logged.join('\n'), /goes on generic: relay0 would drop/);
  });

  describe('where it cannot run', () => {
    test('no such interface, or none', () => {
      const unknown = create({ interfaces: ['relay0', 'nowhere0'] });
      assert.ok(
        !unknown.ok && unknown.obstacle.reason === 'no-interface' && unknown.obstacle.detail.includes('nowhere0'),
      );
      const none = create({ interfaces: [] });
      assert.ok(!none.ok && none.obstacle.reason === 'no-interface');
    });

    test('another program on one of its interfaces: attached to none, nothing pinned', () => {
      const other = new KernelRig();
      const link = XdpLink.attach(other.program, interfaceIndex('lo'), 'generic');
      try {
        const result = create({ interfaces: ['relay0', 'lo'], instance: 'busy' });
        assert.ok(!result.ok && result.obstacle.reason === 'attach', JSON.stringify(result));
        assert.match(result.obstacle.detail, /another XDP program is attached/);
        assert.deepEqual(pinned(), []);
        XdpLink.attach(other.program, interfaceIndex('relay0'), 'generic').close();
      } finally {
        link.close();
        other.close();
      }
    });
  });

  describe('without the process', () => {
    test('what is pinned goes on, and is taken over', async () => {
      const first = started({ instance: 'one' });
      const { client, target, at, via, installed } = await joined(first);
      engines = [];
      await first.leave();
      for (let packet = 0; packet < 20; packet++) {
        await client.send(at.local, `alone ${packet}`);
        await target.expect(`alone ${packet}`, via.local);
      }

      const second = started({ instance: 'one' });
      assert.equal(second.adopted, true);
      await client.send(at.local, 'adopted');
      await target.expect('adopted', via.local);
      // Asked for again: stays. Of the same match, so there is one.
      const again = [await listen(second, at.local), await listen(second, via.local)] as const;
      const same: Flow = { ...flow(again[0], client.local, again[1], target.local), id: installed.id };
      second.addFlow(same);
      assert.equal(second.dropUnknown(), 0);
      await client.send(at.local, 'again');
      await target.expect('again', via.local);
      assert.equal(second.flowCounters(same.id)?.packets, 1);
    });

    test('what nobody asks for again goes', async () => {
      const first = started({ instance: 'one' });
      const { client, target, at } = await joined(first);
      engines = [];
      await first.leave();
      const second = started({ instance: 'one' });
      assert.equal(second.dropUnknown(), 1);
      await client.send(at.local, 'nobody takes it');
      await new Promise((resolve) => setTimeout(resolve, 50));
      target.expectSilence();
    });

    test('pins of another version are replaced, and that is said', async () => {
      mkdirSync('/sys/fs/bpf/culvert/one/0123456789abcdef', { recursive: true });
      started({ instance: 'one' });
      assert.match(logged.join('\n'), /removed what version 0123456789abcdef of the kernel program had left/);
      assert.equal(readdirSync('/sys/fs/bpf/culvert/one').length, 1);
    });

    test('a proper end leaves nothing behind', async () => {
      const engine = started({ instance: 'one' });
      assert.notDeepEqual(pinned(), []);
      await engine.close();
      engines = [];
      assert.deepEqual(pinned(), []);
    });
  });
});

function pinned(): string[] {
  return readdirSync('/sys/fs/bpf', { recursive: true })
    .filter((name) => String(name).split('/').length > 2)
    .map(String);
}

const SINK = {
  datagram: () => undefined,
  portOpened: () => undefined,
  flowIdle: () => undefined,
  streamOpened: () => undefined,
  streamConnected: () => undefined,
  streamData: () => undefined,
  streamClosed: () => undefined,
};
