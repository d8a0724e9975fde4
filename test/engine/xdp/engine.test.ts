// What the conformance suite cannot see: that it is the kernel which forwards, and what is told where it cannot.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { interfaceIndex } from '../../../src/sys/interfaces.ts';
import { XdpLink } from '../../../src/sys/libbpf/link.ts';
import { missing } from '../../requirements.ts';
import { until } from '../conformance/rig.ts';
import { EngineRig, pinned } from './engine-rig.ts';
import { KernelRig } from './rig.ts';

describe('the xdp engine', { skip: missing('bpf', 'ffi') }, () => {
  let rig: EngineRig;

  before(() => {
    rig = new EngineRig();
  });
  afterEach(() => rig.reset());
  after(() => rig.close());

  for (const mode of ['native', 'generic'] as const) {
    for (const [inside, outside] of [
      [4, 4],
      [4, 6],
      [6, 4],
      [6, 6],
    ] as const) {
      test(`${mode}, IPv${inside} to IPv${outside}: the engine below sees nothing of what flows`, async () => {
        rig.network.setPeerGro(mode === 'native');
        const engine = rig.started();
        assert.equal(engine.mode, mode);
        const { client, target, at, via, installed } = await rig.joined(engine, inside, outside);
        const below = rig.inner?.flowCounters(installed.id)?.packets;
        for (let packet = 0; packet < 200; packet++) {
          await client.send(at.local, `packet ${packet}`);
          await target.expect(`packet ${packet}`, via.local);
        }
        assert.equal(rig.inner?.flowCounters(installed.id)?.packets, below);
        assert.equal(engine.flowCounters(installed.id)?.packets, 201);
        const [traffic] = engine.stats().traffic;
        assert.deepEqual([traffic?.service, traffic?.packets], ['forward', 201]);
        assert.equal(engine.removeFlow(installed.id)?.packets, 201);
      });
    }
  }

  test('from a wildcard listener the source is the address that the kernel would choose', async () => {
    const engine = rig.started();
    const [client, target] = [await rig.peer(4), await rig.peer(4)];
    const any = await rig.listen(engine, { family: 4, address: '0.0.0.0', port: 0 });
    const at = await rig.listen(engine, rig.here(4));
    const installed = rig.flow(at, client.local, any, target.local);
    engine.addFlow(installed);
    engine.addFlow(rig.flow(any, target.local, at, client.local));
    for (const text of ['one', 'two', 'three']) {
      await client.send(at.local, text);
      await target.expect(text, rig.here(4, any.local.port));
      await target.send(rig.here(4, any.local.port), text);
      await client.expect(text, at.local);
    }
    assert.ok((rig.inner?.flowCounters(installed.id)?.packets ?? 3) < 3);
  });

  test('flows beyond what the kernel holds go through userspace, counted and logged once', async () => {
    const engine = rig.started();
    const { client, target, at, via } = await rig.joined(engine);
    const others = await Promise.all(Array.from({ length: 80 }, () => rig.peer(4)));
    for (const other of others) engine.addFlow(rig.flow(at, other.local, via, target.local));
    for (const other of others) {
      await other.send(at.local, 'x');
      await target.expect('x', via.local);
    }
    await client.send(at.local, 'y');
    await target.expect('y', via.local);
    const refused = engine.stats().slowPath?.refusedFlows.get('map-full') ?? 0;
    assert.ok(refused >= 17, `${refused} were refused`);
    assert.equal(rig.logged.filter((line) => line.includes('map-full')).length, 1);
  });

  test('flows that were refused are taken when there is room again', async () => {
    const engine = rig.started({ sweepEvery: 20 });
    const { target, at, via } = await rig.joined(engine);
    const client = await rig.peer(4);
    const strangers = Array.from({ length: 80 }, (_, index) => ({ ...client.local, port: 20_000 + index }));
    const flows = strangers.map((from) => rig.flow(at, from, via, target.local));
    for (const flow of flows) engine.addFlow(flow);
    const late = rig.flow(at, client.local, via, target.local);
    engine.addFlow(late);
    assert.equal(engine.stats().slowPath?.retakenFlows, 0);
    for (const flow of flows) engine.removeFlow(flow.id);
    await until(() => rig.logged.some((line) => line.includes('has taken all flows')), 'the flow in the kernel');
    assert.equal(engine.stats().slowPath?.retakenFlows, 1);
    await client.send(at.local, 'late');
    await target.expect('late', via.local);
    assert.equal(rig.inner?.flowCounters(late.id)?.packets, 0);
    assert.equal(engine.flowCounters(late.id)?.packets, 1);
    engine.removeFlow(late.id);
  });

  test('a veth whose peer switches GRO off under a native program goes on generic', async () => {
    rig.network.setPeerGro(true);
    const engine = rig.started();
    const { client, target, at, via } = await rig.joined(engine);
    assert.equal(engine.mode, 'native');
    rig.network.setPeerGro(false);
    await until(() => engine.mode === 'generic', 'the change of mode');
    await client.send(at.local, 'after');
    await target.expect('after', via.local);
    assert.match(rig.logged.join('\n'), /goes on generic: relay0 would drop/);
  });

  describe('where it cannot run', () => {
    test('no such interface, or none', () => {
      const unknown = rig.create({ interfaces: ['relay0', 'nowhere0'] });
      assert.ok(
        !unknown.ok && unknown.obstacle.reason === 'no-interface' && unknown.obstacle.detail.includes('nowhere0'),
      );
      const none = rig.create({ interfaces: [] });
      assert.ok(!none.ok && none.obstacle.reason === 'no-interface');
    });

    test('another program on one of its interfaces: attached to none, nothing pinned', () => {
      const other = new KernelRig();
      const link = XdpLink.attach(other.program, interfaceIndex('lo'), 'generic');
      try {
        const result = rig.create({ interfaces: ['relay0', 'lo'], instance: 'busy' });
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
});
