// What the program does beside flows: it notes next hops, and forwards no longer than a process answers for it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { addressKey, NEIGHBOUR_OFFSETS } from '../../../src/engine/xdp/layout.ts';
import type { Flow } from '../../../src/flow/flow.ts';
import { XDP_PASS, XDP_TX } from '../../../src/sys/libbpf/program.ts';
import { missing } from '../../requirements.ts';
import { buildFrame } from './frames.ts';
import { FAR4, FAR6, ifindex, KernelRig, NEIGHBOURS4, RELAY6, SILENT4, setUpNetwork } from './rig.ts';
import { flowWith, LISTENER, specFor } from './sample-flows.ts';

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
