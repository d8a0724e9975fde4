// What the program does beside flows: it knows whom frames are for, counts, notes next hops, and forwards no longer than a process answers for it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { addressKey, FLOW_BYTES, flowKey, NEIGHBOUR_OFFSETS, PORT_BITS } from '../../../src/engine/xdp/layout.ts';
import type { Flow } from '../../../src/flow/flow.ts';
import type { BucketId } from '../../../src/net/ids.ts';
import { XDP_PASS, XDP_REDIRECT, XDP_TX } from '../../../src/sys/libbpf/program.ts';
import { missing } from '../../requirements.ts';
import { buildFrame, macBytes } from './frames.ts';
import { FAR4, FAR6, ifindex, KernelRig, NEIGHBOURS4, RELAY6, SILENT4, setUpNetwork } from './rig.ts';
import { ALL, flowWith, LISTENER, specFor } from './sample-flows.ts';

describe('the program beside flows', { skip: missing('bpf') }, () => {
  let rig: KernelRig;
  let relay0: number;

  before(() => {
    setUpNetwork();
    relay0 = ifindex('relay0');
    rig = new KernelRig();
  });
  after(() => rig.close());
  beforeEach(() => {
    rig.reset();
    rig.open(LISTENER.port, 'turn');
  });

  const run = (flow: Flow): number => rig.run(buildFrame(specFor(flow, {})), relay0).result;
  const to = (address: string): Flow => {
    const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
    const family = address.includes(':') ? 6 : 4;
    const local = family === 6 ? { ...flow.rewrite.local, family, address: RELAY6 } : flow.rewrite.local;
    return { ...flow, rewrite: { ...flow.rewrite, local, remote: { family, address, port: 9 } } } as Flow;
  };

  test('flows are executed until the time that a process has set, and passed after it', () => {
    const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
    rig.flows.add(flow, flow.rewrite.local.address);
    for (const [forwardUntil, result, reason] of [
      [0, XDP_TX, 'forwarded-to-peer'],
      [rig.now + 1, XDP_TX, 'forwarded-to-peer'],
      [rig.now, XDP_TX, 'forwarded-to-peer'],
      [rig.now - 1, XDP_PASS, 'orphaned'],
    ] as const) {
      rig.set({ forwardUntil });
      const counted = rig.counted(() => assert.equal(run(flow), result));
      assert.deepEqual(counted, { [reason]: 1 });
    }
    const other = { ...LISTENER, address: NEIGHBOURS4[1] ?? '' };
    assert.deepEqual(
      rig.counted(() => rig.run(buildFrame(specFor(flow, { to: other })), relay0)),
      {},
    );
  });

  test('what is for the address of the interface that it came in by is taken, and nothing else', () => {
    const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
    rig.flows.add(flow, flow.rewrite.local.address);
    const taken = (destinationMac: string, ingress = relay0): string =>
      Object.keys(
        rig.counted(() => {
          const frame = buildFrame(specFor(flow, { destinationMac }));
          const { result, packet } = rig.run(frame, ingress);
          if (result === XDP_PASS) assert.deepEqual(Buffer.from(packet), frame);
          else assert.ok(result === XDP_TX || result === XDP_REDIRECT);
        }),
      ).join();
    const [ours, theirs] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'];
    const others0 = ifindex('others0');
    const links = [
      { ifindex: relay0, address: macBytes(ours) },
      { ifindex: others0, address: macBytes(theirs) },
    ];
    rig.set({ links });
    assert.deepEqual([taken(ours), taken(theirs)], ['forwarded-to-peer', 'other-host']);
    assert.deepEqual([taken(ours, others0), taken(theirs, others0)], ['other-host', 'forwarded-to-peer']);
    // Whichever byte it is that differs.
    for (let at = 0; at < 6; at++) {
      const near = macBytes(ours);
      near[at] = (near[at] ?? 0) ^ 0x10;
      assert.equal(taken(near.toString('hex')), 'other-host');
    }
    // Its address is another one now; it is not known; it shares the low byte of its index with others.
    rig.set({ links: [{ ifindex: relay0, address: macBytes(theirs) }] });
    assert.deepEqual([taken(ours), taken(theirs)], ['other-host', 'forwarded-to-peer']);
    rig.set({ links: [] });
    assert.deepEqual([taken(ours), taken('00:00:00:00:00:00')], ['other-host', 'other-host']);
    const crowd = [1, 2, 3].map((more) => ({ ifindex: relay0 + 256 * more, address: macBytes(theirs) }));
    rig.set({ links: [...crowd, ...links] });
    assert.deepEqual([taken(ours), taken(theirs)], ['forwarded-to-peer', 'other-host']);
  });

  test('what is for another host costs nobody anything', () => {
    const limit = { bucket: 7 as BucketId, bytesPerSecond: 1, burst: 40 };
    const flow: Flow = { ...flowWith({ kind: 'none' }, { kind: 'keep' }), limit };
    rig.flows.add(flow, flow.rewrite.local.address);
    rig.open(LISTENER.port, 'turn', ALL | PORT_BITS.BUDGETED);
    // One packet that goes up, a thousand seconds.
    rig.set({ budgetInterval: 1e12, budgetBurst: 1e12 });
    const stranger = { from: { ...flow.match.remote, port: 1 } };
    const before = rig.flows.counters(flow.id);
    const counted = rig.counted(() => {
      for (const spec of [{}, {}, stranger, stranger]) {
        const frame = buildFrame(specFor(flow, { ...spec, destinationMac: '02:00:00:00:00:03' }));
        assert.equal(rig.run(frame, relay0).result, XDP_PASS);
      }
    });
    assert.deepEqual(counted, { 'other-host': 4 });
    assert.deepEqual(rig.flows.counters(flow.id), before);
    // All that bucket and budget allow is there.
    const then = rig.counted(() => {
      for (const spec of [{}, {}, stranger, stranger]) rig.run(buildFrame(specFor(flow, spec)), relay0);
    });
    assert.deepEqual(then, { 'forwarded-to-peer': 1, 'rate-limited': 1, 'no-flow': 1, 'source-budget': 1 });
  });

  test('addresses of the host are known, whether they are near at hand or looked up', () => {
    const many4 = [1, 2, 3, 4].map((host) => `192.0.2.${host}`);
    const many6 = [1, 2].map((host) => `2001:db8::${host}`);
    const [more4, more6] = ['192.0.2.5', '2001:db8::3'];
    for (const [near, lookedUp, others] of [
      [[...many4, ...many6], [], [more4, more6, '0.0.0.0', '127.0.0.1', '2001:db8::1:0:1', '::']],
      [
        [...many4, ...many6],
        [more4, more6],
        ['192.0.2.6', '2001:db8::4'],
      ],
      [['192.0.2.1', '2001:db8::1'], [], ['192.0.2.2', '2001:db8::2', '0.0.0.0', '::']],
      [[], [...many4, ...many6], [more4, more6]],
    ] as const) {
      rig.reset();
      rig.open(LISTENER.port, 'turn', ALL | PORT_BITS.WILDCARD);
      for (const map of [rig.maps.own4, rig.maps.own6]) for (const key of map.keys()) map.delete(key);
      rig.set({ near });
      rig.own(...lookedUp);
      const reason = (address: string): string => {
        const family = address.includes(':') ? 6 : 4;
        const from = { family, address: family === 4 ? '198.18.0.1' : '2001:db8:5::1', port: 9 } as const;
        const to = { family, address, port: LISTENER.port } as const;
        return Object.keys(rig.counted(() => rig.run(buildFrame(specFor(undefined, { from, to })), relay0))).join();
      };
      for (const address of [...near, ...lookedUp]) assert.equal(reason(address), 'no-flow', address);
      for (const address of others) assert.equal(reason(address), '', address);
    }
  });

  test('packets are counted whichever processors a flow had', () => {
    const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
    rig.flows.add(flow, flow.rewrite.local.address);
    const { map, key } = flowKey(flow);
    const value = Buffer.alloc(FLOW_BYTES);
    // The last byte of the next hop: processor + 1.
    const counter = (): number => {
      assert.ok(rig.maps.flows[map].lookup(key, value));
      return value[COUNTER] ?? 0;
    };
    const counted = (): number => {
      assert.equal(run(flow), XDP_TX);
      return rig.flows.counters(flow.id)?.packets ?? 0;
    };
    assert.equal(counter(), NOBODY);
    assert.equal(counted(), 1);
    assert.ok(counter() > NOBODY && counter() < EVERYBODY);
    assert.equal(counted(), 2);
    counter();
    // Another one, which this machine has not.
    value[COUNTER] = 200;
    rig.maps.flows[map].update(key, value);
    for (const packets of [3, 4]) {
      assert.equal(counted(), packets);
      assert.equal(counter(), EVERYBODY);
    }
    assert.equal(rig.flows.counters(flow.id)?.bytes, 4 * 40);
    rig.set({ hopLifetime: 1e9 });
    assert.equal(counted(), 5);
    assert.ok(counter() > NOBODY && counter() < EVERYBODY);
  });

  test('next hops that flows leave by are noted: the router, where there is one, and nobody unknown', () => {
    for (const [address, hop, family] of [
      [FAR4, '192.0.2.254', 4],
      [NEIGHBOURS4[1] ?? '', NEIGHBOURS4[1] ?? '', 4],
      [FAR6, '2001:db8::fe', 6],
      [SILENT4, undefined, 4],
    ] as const) {
      rig.reset();
      rig.open(LISTENER.port, 'turn');
      const flow = to(address);
      rig.flows.add(flow, flow.rewrite.local.address);
      for (let packet = 0; packet < 3; packet++) run(flow);
      const [found, ...more] = rig.maps.neighbours.keys();
      assert.deepEqual(more, []);
      if (hop === undefined || found === undefined) {
        assert.equal(found, hop);
        continue;
      }
      assert.equal(found.readUInt32LE(NEIGHBOUR_OFFSETS.ifindex), relay0);
      assert.equal(found.readUInt32LE(NEIGHBOUR_OFFSETS.family), family);
      const key = addressKey(hop);
      assert.deepEqual(found.subarray(NEIGHBOUR_OFFSETS.address).subarray(0, key.length), key);
      // When: as the clock of the test says.
      const used = Buffer.alloc(8);
      assert.ok(rig.maps.neighbours.lookup(found, used));
      assert.equal(used.readBigUInt64LE(), BigInt(rig.now) * 1_000_000n);
    }
  });
});

const COUNTER: number = FLOW_BYTES - 1;
const NOBODY = 0;
const EVERYBODY = 255;
