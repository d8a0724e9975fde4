// Tables for the kernel's program: packet in → verdict, bytes out, counter. Whatever it passes up is passed as it came.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { EXITS, PORT_BITS, uint32Key } from '../../../src/engine/xdp/layout.ts';
import type { Reason } from '../../../src/engine/xdp/reasons.ts';
import type { Flow, RateLimit } from '../../../src/flow/flow.ts';
import type { BucketId, FlowId } from '../../../src/net/ids.ts';
import { XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX } from '../../../src/sys/libbpf/program.ts';
import { missing } from '../../requirements.ts';
import { buildFrame, type FrameSpec, macBytes, parseFrame, RELAY_MAC } from './frames.ts';
import { FAR4, ifindex, KernelRig, NEIGHBOURS4, NEIGHBOURS6, RELAY4, RELAY6, SILENT4, setUpNetwork } from './rig.ts';
import {
  ALL,
  CLIENT,
  channelHeader,
  flowsOfEveryKind,
  flowWith,
  LISTENER,
  payloadFor,
  RELAYED,
  specFor,
} from './sample-flows.ts';

describe("the kernel's program", { skip: missing('bpf') }, () => {
  let rig: KernelRig;
  let relay0: number;

  before(() => {
    setUpNetwork();
    relay0 = ifindex('relay0');
    rig = new KernelRig({ flows4: 64 });
  });
  after(() => rig.close());

  beforeEach(() => {
    rig.reset();
    rig.open(LISTENER.port, 'turn');
    rig.open(RELAYED.port, 'turn');
  });

  /** What becomes of a frame: verdict and counters, and that only what goes out is changed. */
  function outcome(
    spec: Partial<FrameSpec>,
    flow: Flow | undefined,
    change = (frame: Buffer): Buffer => frame,
  ): Outcome {
    if (flow !== undefined) assert.equal(rig.flows.add(flow, flow.rewrite.local.address), undefined);
    const frame = change(buildFrame(specFor(flow, spec)));
    let result = -1;
    let packet: Buffer = Buffer.alloc(0);
    const counted = rig.counted(() => {
      const run = rig.run(frame, relay0);
      result = run.result;
      packet = Buffer.from(run.packet);
    });
    if (flow !== undefined) rig.flows.remove(flow.id);
    if (result === XDP_PASS || result === XDP_DROP) assert.ok(packet.equals(frame), 'what is not sent was changed');
    return { result, packet, reason: Object.keys(counted).join() };
  }

  function passes(
    reason: Reason | 'uncounted',
    spec: Partial<FrameSpec>,
    flow: Flow | undefined,
    change?: Change,
  ): void {
    const { result, reason: counted } = outcome(spec, flow, change);
    assert.deepEqual([result, counted], [XDP_PASS, reason === 'uncounted' ? '' : reason]);
  }

  function sends(spec: Partial<FrameSpec>, flow: Flow, change?: Change): ReturnType<typeof parseFrame> {
    const { result, packet, reason } = outcome(spec, flow, change);
    assert.deepEqual([result, reason], [XDP_TX, 'forwarded-to-peer']);
    return parseFrame(packet);
  }

  for (const [name, makeFlow] of flowsOfEveryKind()) {
    describe(name, () => {
      const flow = makeFlow();
      const v4 = flow.match.remote.family === 4;
      const to4 = flow.rewrite.remote.family === 4;

      test('a plain packet goes out, rewritten', () => {
        const out = sends({ trafficClass: 0xb9 }, flow);
        assert.deepEqual(out.to, flow.rewrite.remote);
        assert.deepEqual(out.from, flow.rewrite.local);
        assert.equal(out.checksum, 'right');
        assert.equal(out.hopLimit, 63);
        // DSCP and ECN.
        assert.equal(out.trafficClass, 0xb9);
      });

      test('behind a VLAN tag or two', () => {
        passes('vlan', { tags: [0x8100] }, flow);
        passes('vlan', { tags: [0x88a8, 0x8100] }, flow);
      });

      test('header chains', () => {
        if (v4) {
          passes('ip-options', { options: Buffer.from('01010101', 'hex') }, flow);
          passes('ip-options', { options: Buffer.alloc(40, 1) }, flow);
          passes('fragment', { fragment: 0x2000 }, flow);
          passes('fragment', { fragment: 185 }, flow);
          passes('fragment', { fragment: 0x2000 | 185 }, flow);
        } else {
          for (const type of [0, 43, 60, 51])
            passes('extension-header', { extensions: [{ type, bytes: Buffer.alloc(8) }] }, flow);
          passes('fragment', { extensions: [{ type: 44, bytes: Buffer.from('0000000100000001', 'hex') }] }, flow);
          passes('fragment', { extensions: [{ type: 44, bytes: Buffer.from('000000b900000001', 'hex') }] }, flow);
        }
      });

      test('checksums', () => {
        if (v4 && to4) assert.equal(sends({ checksum: 'none' }, flow).checksum, 'none');
        else passes('no-checksum', { checksum: 'none' }, flow);
        assert.equal(sends({ checksum: 'wrong' }, flow).checksum, 'wrong');
        assert.equal(sends({ checksum: 'partial' }, flow).checksum, 'right');
        if (v4) passes('bad-header-checksum', { headerChecksum: 'wrong' }, flow);
      });

      if (flow.match.discriminator.kind === 'none') {
        test('checksums left to hardware, of data of every length', () => {
          const upTo70 = Array.from({ length: 70 }, (_, index) => index);
          for (const bytes of [...upTo70, 247, 248, 249, 263, 264, 505, 1440]) {
            const payload = Buffer.from(Array.from({ length: bytes }, (_, index) => (index * 37 + 11) & 0xff));
            const out = sends({ checksum: 'partial', payload }, flow);
            assert.equal(out.checksum, 'right', `${bytes} bytes`);
          }
        });
      }

      test('lengths that do not fit', () => {
        passes('truncated', {}, flow, (frame) => frame.subarray(0, -1));
        const whole = specFor(flow, {}).payload.length + 8;
        passes('bad-length', { udpLength: whole + 1 }, flow);
        passes('bad-length', { udpLength: whole - 1 }, flow);
        passes('bad-length', { udpLength: 7 }, flow);
        passes('bad-length', { udpLength: 0 }, flow);
        passes('bad-length', { ipLength: 0 }, flow);
      });

      test('cut off anywhere it passes', () => {
        const length = buildFrame(specFor(flow, {})).length;
        for (let bytes = 14; bytes < length; bytes++) {
          assert.equal(outcome({}, flow, (frame) => frame.subarray(0, bytes)).result, XDP_PASS, `${bytes} bytes`);
        }
      });

      test('bytes behind the packet stay behind', () => {
        const { payload } = sends({}, flow);
        assert.deepEqual(sends({ trailer: Buffer.alloc(18, 0xee) }, flow).payload, payload);
      });

      test('hop limit', () => {
        assert.equal(sends({ hopLimit: 2 }, flow).hopLimit, 1);
        passes('hop-limit', { hopLimit: 1 }, flow);
        passes('hop-limit', { hopLimit: 0 }, flow);
      });

      test('sizes round the MTU', () => {
        const room = 1500 - (to4 ? 28 : 48);
        for (const cached of [false, true]) {
          rig.set({ hopLifetime: cached ? 1e9 : 0 });
          for (const [bytes, fits] of [
            [room - 4, true],
            [room - 1, true],
            [room, true],
            [room + 1, false],
            [2800, false],
          ] as const) {
            const payload = payloadFor(flow, bytes);
            if (fits) assert.equal(sends({ payload }, flow).payload.length, bytes);
            else passes('mtu', { payload }, flow);
          }
        }
      });

      test('from or to somebody else', () => {
        passes('uncounted', { to: { ...flow.match.local, port: 5000 } }, flow);
        passes(
          'uncounted',
          { to: { ...flow.match.local, address: v4 ? (NEIGHBOURS4[1] ?? '') : (NEIGHBOURS6[1] ?? '') } },
          flow,
        );
        for (const group of ['33:33:00:00:00:01', '01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff']) {
          passes('uncounted', { destinationMac: group }, flow);
        }
        passes('other-host', { destinationMac: '02:00:00:00:00:03' }, flow);
        const stranger = outcome({ from: { ...flow.match.remote, port: 1 } }, flow);
        assert.equal(stranger.result, XDP_PASS);
        assert.match(stranger.reason, /^(?:no-flow|unknown-channel|unknown-receiver)$/);
      });

      test('once it is removed', () => {
        assert.equal(rig.flows.add(flow, flow.rewrite.local.address), undefined);
        assert.ok(rig.flows.remove(flow.id));
        assert.equal(
          outcome({ from: flow.match.remote, to: flow.match.local, payload: payloadFor(flow, 40) }, undefined).result,
          XDP_PASS,
        );
      });

      test('beyond its limit', () => {
        const limited: Flow = { ...flow, limit: { bucket: 7 as BucketId, bytesPerSecond: 1, burst: 30 } };
        const { result, reason } = outcome({}, limited);
        assert.deepEqual([result, reason], [XDP_DROP, 'rate-limited']);
      });
    });
  }

  describe('ChannelData', () => {
    const strip = (): Flow => flowWith({ kind: 'channel', channel: 0x4001 }, { kind: 'strip' });

    test('padding goes, whatever its bytes are and wherever they begin', () => {
      for (const length of [0, 1, 2, 3, 4, 5]) {
        for (const padding of [0, 1, 2, 3]) {
          const data = Buffer.alloc(length, 0x77);
          const payload = Buffer.concat([channelHeader(0x4001, length), data, Buffer.alloc(padding, 0xa5)]);
          const out = sends({ payload }, strip());
          assert.deepEqual(out.payload, data);
          assert.equal(out.checksum, 'right');
        }
      }
    });

    test('what is too long to be padding is left to userspace', () => {
      passes('long-padding', { payload: Buffer.concat([channelHeader(0x4001, 4), Buffer.alloc(8)]) }, strip());
      // Without a checksum there is nothing to work out.
      const out = sends(
        { payload: Buffer.concat([channelHeader(0x4001, 4), Buffer.alloc(600)]), checksum: 'none' },
        strip(),
      );
      assert.equal(out.payload.length, 4);
    });

    test('no whole header, or a length beyond the datagram', () => {
      passes('malformed-channel-data', { payload: Buffer.from('400100', 'hex'), trailer: Buffer.alloc(20) }, strip());
      passes('malformed-channel-data', { payload: channelHeader(0x4001, 1) }, strip());
      passes('malformed-channel-data', { payload: channelHeader(0x4001, 1), trailer: Buffer.alloc(20) }, strip());
      passes('no-flow', { payload: Buffer.alloc(0), trailer: Buffer.from('40010000', 'hex') }, strip());
      passes('unknown-channel', { payload: channelHeader(0x4002, 0) }, strip());
    });
  });

  test('a first word that is excepted goes up, and a shorter payload has none', () => {
    const pair = {
      ...flowWith({ kind: 'none' }, { kind: 'keep' }),
      match: { ...flowWith({ kind: 'none' }, { kind: 'keep' }).match, exceptWord: 0 },
    };
    passes('excepted-word', { payload: Buffer.alloc(4) }, pair);
    assert.equal(sends({ payload: Buffer.alloc(3), trailer: Buffer.alloc(20) }, pair).payload.length, 3);
    assert.equal(sends({ payload: Buffer.alloc(0) }, pair).payload.length, 0);
  });

  describe('the way out', () => {
    const to = (address: string): Flow => {
      const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
      return { ...flow, rewrite: { ...flow.rewrite, remote: { family: 4, address, port: 9 } } };
    };

    test('through a router', () => assert.equal(sends({}, to(FAR4)).destinationMac, '02:00:00:00:01:04'));
    test('nobody knows the neighbour', () => passes('no-neighbour', {}, to(SILENT4)));
    test('no route', () => passes('no-route', {}, to('203.0.113.5')));
    test('an address of our own', () => passes('no-route', {}, to(RELAY4)));

    test('an interface that cannot send', () => {
      rig.maps.egress.delete(uint32Key(relay0));
      passes('egress', {}, to(FAR4));
    });

    test('where nothing is forwarded', () => {
      writeFileSync('/proc/sys/net/ipv4/conf/relay0/forwarding', '0');
      rig.set({ lookupIfindex: 0 });
      passes('forwarding-off', {}, to(FAR4));
    });

    test('another interface than it came in by', () => {
      const flow = to(FAR4);
      const others0 = ifindex('others0');
      rig.set({ links: [{ ifindex: others0, address: macBytes(RELAY_MAC) }] });
      rig.flows.add(flow, flow.rewrite.local.address);
      assert.equal(rig.run(buildFrame(specFor(flow, {})), others0).result, XDP_REDIRECT);
    });

    test('an interface that keeps what XDP_TX gives it', () => {
      rig.leaveBy(relay0, EXITS.REDIRECT);
      const flow = to(FAR4);
      rig.flows.add(flow, flow.rewrite.local.address);
      for (const hopLifetime of [0, 1e9, 1e9]) {
        rig.set({ hopLifetime });
        assert.equal(rig.run(buildFrame(specFor(flow, {})), relay0).result, XDP_REDIRECT);
      }
    });

    test('a next hop is remembered for its time and its generation', () => {
      const flow = to(FAR4);
      rig.set({ hopLifetime: 1e9 });
      rig.flows.add(flow, flow.rewrite.local.address);
      const mac = (): string =>
        parseFrame(Buffer.from(rig.run(buildFrame(specFor(flow, {})), relay0).packet)).destinationMac;
      const router = '02:00:00:00:01:04';
      assert.equal(mac(), router);
      setNeighbour('192.0.2.254', '02:00:00:00:09:09');
      try {
        assert.equal(mac(), router);
        rig.now += 1000;
        rig.set({});
        assert.equal(mac(), '02:00:00:00:09:09');
        setNeighbour('192.0.2.254', router);
        assert.equal(mac(), '02:00:00:00:09:09');
        rig.set({ generation: 1 });
        assert.equal(mac(), router);
      } finally {
        setNeighbour('192.0.2.254', router);
      }
    });
  });

  test('a wildcard listener takes what is sent to any address of the host, and nothing else', () => {
    rig.open(LISTENER.port, 'turn', ALL | PORT_BITS.WILDCARD);
    const plain = flowWith({ kind: 'none' }, { kind: 'keep' });
    const flow: Flow = { ...plain, match: { ...plain.match, local: { ...LISTENER, address: '0.0.0.0' } } };
    const second = { ...LISTENER, address: '192.0.2.77' };
    sends({ to: LISTENER }, flow);
    passes('uncounted', { to: second }, flow);
    rig.own(second.address);
    sends({ to: second }, flow);
  });

  test('a source that asks too much has a budget for its whole prefix, and flows have not', () => {
    rig.open(LISTENER.port, 'turn', ALL | PORT_BITS.BUDGETED);
    // Two a second, and three at once.
    rig.set({ budgetInterval: 5e8, budgetBurst: 15e8 });
    const flow = flowWith({ kind: 'none' }, { kind: 'keep' });
    const from = (host: number): Partial<FrameSpec> => ({
      from: { ...CLIENT, address: `198.18.0.${host}` },
      to: LISTENER,
    });
    const sent = [1, 2, 3, 4].map((host) => outcome(from(host), undefined).reason);
    assert.deepEqual(sent, ['no-flow', 'no-flow', 'no-flow', 'source-budget']);
    assert.equal(outcome({ from: { ...CLIENT, address: '198.18.1.1' }, to: LISTENER }, undefined).reason, 'no-flow');
    for (let packet = 0; packet < 5; packet++) sends({}, flow);
    rig.now += 500;
    rig.set({});
    assert.deepEqual(
      [1, 2].map((host) => outcome(from(host), undefined).reason),
      ['no-flow', 'source-budget'],
    );
    const six = { family: 6, port: 9 } as const;
    const six6 = (host: string): string =>
      outcome({ from: { ...six, address: host }, to: { ...six, address: RELAY6, port: LISTENER.port } }, undefined)
        .reason;
    assert.deepEqual(
      ['2001:db8:5::1', '2001:db8:5:0:ff::2', '2001:db8:5::3', '2001:db8:5::4', '2001:db8:5:1::1'].map(six6),
      [...['no-flow', 'no-flow', 'no-flow'], 'source-budget', 'no-flow'],
    );
  });

  test('a map that is full refuses a flow, and goes on with the others', () => {
    const answers = Array.from({ length: 70 }, (_, index) =>
      rig.flows.add(flowWith({ kind: 'none' }, { kind: 'keep' }, index), RELAY4),
    );
    assert.deepEqual(new Set(answers), new Set([undefined, 'map-full']));
    // Known all the same, for whoever asks the engine below.
    assert.equal(rig.flows.size, 70);
    const refused = answers.indexOf('map-full');
    assert.equal(
      outcome({ from: { ...CLIENT, port: CLIENT.port + refused }, to: LISTENER }, undefined).reason,
      'no-flow',
    );
    rig.flows.remove(1 as FlowId);
    assert.equal(rig.flows.add(flowWith({ kind: 'none' }, { kind: 'keep' }, refused), RELAY4), undefined);
  });

  test('a bucket is shared, keeps what was spent when its limits change, and goes with its last flow', () => {
    const limit = (burst: number): RateLimit => ({ bucket: 7 as BucketId, bytesPerSecond: 1, burst });
    const flows = [0, 1].map((index) => ({
      ...flowWith({ kind: 'none' }, { kind: 'keep' }, index),
      limit: limit(100),
    }));
    for (const flow of flows) assert.equal(rig.flows.add(flow, RELAY4), undefined);
    const run = (flow: Flow | undefined): number =>
      rig.run(buildFrame(specFor(flow, { payload: Buffer.alloc(60) })), relay0).result;
    assert.deepEqual([run(flows[0]), run(flows[1])], [XDP_TX, XDP_DROP]);
    const changed = { ...flowWith({ kind: 'none' }, { kind: 'keep' }, 2), limit: limit(1000) };
    assert.equal(rig.flows.add(changed, RELAY4), undefined);
    assert.equal(run(changed), XDP_DROP);
    for (const flow of [...flows, changed]) rig.flows.remove(flow.id);
    assert.equal(rig.flows.add(changed, RELAY4), undefined);
    assert.equal(run(changed), XDP_TX);
  });

  test('counters are kept for each service and direction', () => {
    const flow: Flow = { ...flowWith({ kind: 'none' }, { kind: 'keep' }), service: 'forward', direction: 'to_client' };
    assert.deepEqual([outcome({}, flow).reason], ['forwarded-to-client']);
  });
});

interface Outcome {
  readonly result: number;
  readonly packet: Buffer;
  readonly reason: string;
}

type Change = (frame: Buffer) => Buffer;

function setNeighbour(address: string, mac: string): void {
  execFileSync('ip', ['neigh', 'replace', address, 'lladdr', mac, 'dev', 'relay0', 'nud', 'permanent']);
}
