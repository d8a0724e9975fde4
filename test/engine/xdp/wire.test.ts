// On a real wire: the program does the same in the driver and above it, and counts what a capture shows.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataPlane } from '../../../src/engine/xdp/data-plane.ts';
import { readCounters } from '../../../src/engine/xdp/kernel-counters.ts';
import { KernelFlows } from '../../../src/engine/xdp/kernel-flows.ts';
import { portValue, SERVICES, uint32Key } from '../../../src/engine/xdp/layout.ts';
import { interfaceIndex } from '../../../src/sys/interfaces.ts';
import { missing } from '../../requirements.ts';
import { until } from '../conformance/rig.ts';
import { buildFrame, type FrameSpec, RELAY_MAC } from './frames.ts';
import { ip } from './namespace.ts';
import { RawWire } from './raw-wire.ts';
import { NEIGHBOURS4, NEIGHBOURS6 } from './rig.ts';
import { ALL, flowsOfEveryKind, flowWith, LISTENER, payloadFor, specFor } from './sample-flows.ts';
import { TwoSides } from './two-sides.ts';

const NEIGHBOUR_MAC = '02:00:00:00:00:02';
/** Both ends of the veth: jumbo frames, as far as a native program takes them. */
const MTU = 3400;

describe('the program on a wire', { skip: missing('bpf', 'ffi') }, () => {
  let network: TwoSides;
  let wire: RawWire;

  before(() => {
    network = new TwoSides();
    network.setPeerGro(true);
    ip('link', 'set', 'relay0', 'address', RELAY_MAC, 'mtu', String(MTU));
    network.atPeer(() => ip('link', 'set', 'peers0', 'mtu', String(MTU)));
    knowNeighbours();
    wire = network.atPeer(() => new RawWire(interfaceIndex('peers0')));
  });
  after(() => {
    wire?.close();
    network?.other.close();
  });

  test('native and generic give identical frames, and the counters are those of a capture', async () => {
    const [native, generic] = [await run('native'), await run('generic')];
    assert.equal(native.frames.length, native.expected);
    assert.deepEqual(native.frames, generic.frames);
    for (const { frames, counted, bytes } of [native, generic]) {
      assert.equal(counted.get('forwarded-to-peer'), frames.length);
      assert.equal(bytes, native.payloadBytes);
    }
    assert.deepEqual(native.counted, generic.counted);
    // What does not fit, is for another host, has options, is cut into fragments or lies behind a tag is passed, and counted as such.
    for (const reason of [
      'mtu',
      'ip-options',
      'fragment',
      'vlan',
      'hop-limit',
      'bad-header-checksum',
      'other-host',
    ] as const) {
      assert.ok((native.counted.get(reason) ?? 0) > 0, reason);
    }
  });

  test('the address of the interface may change, and what is for another passes', async () => {
    const { plane, flows } = start('native');
    const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
    flows.add(flow, flow.rewrite.local.address);
    const counted = (): Map<string, number> =>
      new Map(readCounters(plane.maps.counters).map(({ reason, packets }) => [reason, packets]));
    const outcomes = async (macs: readonly string[]): Promise<string[]> => {
      const found: string[] = [];
      for (const destinationMac of macs) {
        const before = counted();
        const added = () => [...counted()].flatMap(([reason, count]) => (count === before.get(reason) ? [] : [reason]));
        wire.send(buildFrame(specFor(flow, { destinationMac })));
        await until(() => added().length > 0, 'the frame to be counted');
        found.push(added().join());
      }
      return found;
    };
    const later = '02:00:00:00:00:05';
    try {
      assert.deepEqual(await outcomes([RELAY_MAC, later]), ['forwarded-to-peer', 'other-host']);
      ip('link', 'set', 'relay0', 'address', later);
      knowNeighbours();
      plane.refresh();
      assert.deepEqual(await outcomes([RELAY_MAC, later]), ['other-host', 'forwarded-to-peer']);
    } finally {
      plane.close(false);
      ip('link', 'set', 'relay0', 'address', RELAY_MAC);
      knowNeighbours();
    }
  });

  /** With the listener open. */
  function start(mode: 'native' | 'generic') {
    const opened = DataPlane.open({ interfaces: ['relay0'], mode, mostFlows: 64, log: () => undefined });
    assert.ok(opened.ok, JSON.stringify(opened));
    const { plane } = opened;
    const service = SERVICES.turn;
    const value = portValue({ bits4: ALL, bits6: ALL, service4: service, service6: service });
    plane.maps.ports.update(uint32Key(LISTENER.port), value);
    return { plane, flows: new KernelFlows(plane.maps, { now: () => 0 }) };
  }

  /** Sends the same frames by flows of every kind, and collects what comes out. */
  async function run(mode: 'native' | 'generic') {
    const { plane, flows } = start(mode);
    try {
      const frames: string[] = [];
      let expected = 0;
      let payloadBytes = 0;
      for (const [, makeFlow] of flowsOfEveryKind()) {
        const flow = makeFlow();
        flows.add(flow, flow.rewrite.local.address);
        for (const { more, forwarded } of cases(flow)) {
          const spec = specFor(flow, { id: 7, trafficClass: 0xb8, ...more });
          wire.send(buildFrame(spec));
          if (forwarded) {
            expected += 1;
            payloadBytes += spec.payload.length;
          }
          await collect(frames, expected);
        }
        flows.remove(flow.id);
      }
      const counts = readCounters(plane.maps.counters);
      const counted = new Map(counts.map(({ reason, packets }) => [reason, packets]));
      const bytes = counts.find(({ reason }) => reason === 'forwarded-to-peer')?.bytes;
      return { frames, expected, payloadBytes, counted, bytes };
    } finally {
      plane.close(false);
    }
  }

  /** Frames that the relay sent to a neighbour, until there are so many. */
  async function collect(frames: string[], count: number): Promise<void> {
    for (const end = Date.now() + 2000; Date.now() < end; await sleep(1)) {
      for (let frame = wire.receive(); frame !== undefined; frame = wire.receive()) {
        const [to, from] = [macAt(frame, 0), macAt(frame, 6)];
        if (to === NEIGHBOUR_MAC && from === RELAY_MAC && isUdp(frame)) frames.push(frame.toString('hex'));
      }
      if (frames.length >= count) return;
    }
  }
});

interface Case {
  readonly more: Partial<FrameSpec>;
  readonly forwarded: boolean;
}

function cases(flow: Parameters<typeof payloadFor>[0]): Case[] {
  const v4 = flow.match.remote.family === 4;
  const sizes = [40, 160, 1200, 3000].map((bytes) => ({ more: { payload: payloadFor(flow, bytes) }, forwarded: true }));
  const refused: Partial<FrameSpec>[] = [
    // Twenty bytes more than came in.
    ...(v4 && flow.rewrite.remote.family === 6 ? [{ payload: payloadFor(flow, 3362) }] : []),
    { hopLimit: 1 },
    { tags: [0x8100] },
    { destinationMac: '02:00:00:00:00:03' },
    ...(v4
      ? [{ options: Buffer.from('01010101', 'hex') }, { fragment: 0x2000 }, { headerChecksum: 'wrong' as const }]
      : []),
  ];
  return [
    ...sizes,
    { more: { hopLimit: 2 }, forwarded: true },
    { more: { trailer: Buffer.alloc(18, 0xee) }, forwarded: true },
    { more: { checksum: 'wrong' }, forwarded: true },
    ...refused.map((more) => ({ more, forwarded: false })),
  ];
}

/** The kernel forgets them when the interface's own address changes. */
function knowNeighbours(): void {
  for (const address of [...NEIGHBOURS4, ...NEIGHBOURS6]) {
    ip('neigh', 'replace', address, 'lladdr', NEIGHBOUR_MAC, 'dev', 'relay0', 'nud', 'permanent');
  }
}

/** And no ICMP error of the host, on whose closed ports lands what is passed. */
function isUdp(frame: Buffer): boolean {
  return frame[frame.readUInt16BE(12) === 0x0800 ? 23 : 20] === 17;
}

function macAt(frame: Buffer, at: number): string {
  return frame
    .subarray(at, at + 6)
    .toString('hex')
    .replace(/..(?!$)/g, '$&:');
}
