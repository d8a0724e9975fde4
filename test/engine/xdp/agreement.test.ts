// Random flows × random packets: the kernel's program and the reference, src/flow/apply.ts, come to the same verdict, bytes and counters.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { apply, type Verdict } from '../../../src/flow/apply.ts';
import { channelLength } from '../../../src/flow/discriminate.ts';
import type { Flow } from '../../../src/flow/flow.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import type { FlowId } from '../../../src/net/ids.ts';
import { XDP_DROP, XDP_PASS, XDP_TX } from '../../../src/sys/libbpf/program.ts';
import { missing } from '../../requirements.ts';
import { buildFrame, type FrameSpec, parseFrame, RELAY_MAC } from './frames.ts';
import {
  type FlowPlan,
  flowOf,
  flowPlan,
  localOf,
  PACKETS,
  type PacketPlan,
  PORTS,
  packetPlans,
  payloadOf,
  remoteOf,
  socketOf,
} from './plans.ts';
import { ifindex, KernelRig, nextHopMac, setUpNetwork } from './rig.ts';

const RUNS = 250;
const SEED = 20_261_128;

describe('kernel and reference', { skip: missing('bpf') }, () => {
  let rig: KernelRig;
  let relay0: number;

  before(() => {
    setUpNetwork();
    rig = new KernelRig();
    relay0 = ifindex('relay0');
    for (const port of PORTS) rig.open(port, 'turn');
  });
  after(() => rig.close());

  test(`agree in ${RUNS} tables of flows, ${PACKETS} packets each`, () => {
    let forwarded = 0;
    let dropped = 0;
    fc.assert(
      fc.property(
        fc.array(flowPlan, { minLength: 1, maxLength: 24 }),
        packetPlans,
        fc.boolean(),
        (plans, packets, cached) => {
          const world = new World(rig, plans);
          try {
            rig.set({ hopLifetime: cached ? 1e9 : 0, generation: rig.settings.generation + 1 });
            for (const packet of packets) {
              const verdict = world.send(packet, relay0);
              if (verdict === 'forward') forwarded += 1;
              if (verdict === 'drop') dropped += 1;
            }
            world.compareCounters();
          } finally {
            world.end();
          }
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
    // Else the generators meet each other too rarely for the test to mean anything.
    assert.ok(forwarded > (RUNS * PACKETS) / 4, `${forwarded} were forwarded`);
    assert.ok(dropped > RUNS, `${dropped} were dropped`);
  });
});

/** One table of flows, here and in the kernel. */
class World {
  readonly #rig: KernelRig;
  readonly #table = new FlowTable();
  readonly #flows: Flow[] = [];
  /** What the kernel left to userspace, which counts it there. */
  readonly #left = new Map<FlowId, { packets: number; bytes: number }>();

  constructor(rig: KernelRig, plans: readonly FlowPlan[]) {
    this.#rig = rig;
    for (const [index, plan] of plans.entries()) {
      const flow = flowOf(plan, (index + 1) as FlowId);
      this.#table.add(flow, rig.now);
      assert.equal(rig.flows.add(flow, flow.rewrite.local.address), undefined);
      const replaced = this.#flows.findIndex((one) => this.#table.counters(one.id) === undefined);
      if (replaced >= 0) this.#flows.splice(replaced, 1);
      this.#flows.push(flow);
    }
  }

  send(plan: PacketPlan, ingress: number): Verdict['kind'] | 'passed' {
    this.#rig.now += plan.elapsed;
    this.#rig.set({});
    const spec = this.#spec(plan);
    const frame = buildFrame(spec);
    const payload = Buffer.from(spec.payload);
    const arrival = { socket: socketOf(spec.to), remote: spec.from };
    const found = this.#table.find(arrival.socket, arrival.remote, payload);
    const passes = typeof found !== 'string' && isLeftToUserspace(found.flow, spec, payload);
    const { result, packet } = this.#rig.run(frame, ingress);
    if (plan.astray) {
      assert.equal(result, XDP_PASS);
      assert.deepEqual(Buffer.from(packet), frame);
      return 'passed';
    }
    const expected = apply(this.#table, arrival, payload, this.#rig.now);
    if (passes && expected.kind === 'forward') {
      assert.equal(result, XDP_PASS);
      assert.deepEqual(Buffer.from(packet), frame);
      const left = this.#left.get(expected.flow.id) ?? { packets: 0, bytes: 0 };
      this.#left.set(expected.flow.id, { packets: left.packets + 1, bytes: left.bytes + payload.length });
      return 'passed';
    }
    assert.equal(result, VERDICTS[expected.kind], `${expected.kind}, not ${result}`);
    if (expected.kind === 'miss') assert.deepEqual(Buffer.from(packet), frame);
    if (expected.kind === 'forward') compareForwarded(expected, spec, Buffer.from(packet));
    return expected.kind;
  }

  compareCounters(): void {
    for (const flow of this.#flows) {
      const kernel = this.#rig.flows.counters(flow.id);
      const left = this.#left.get(flow.id) ?? { packets: 0, bytes: 0 };
      assert.ok(kernel);
      const together = { ...kernel, packets: kernel.packets + left.packets, bytes: kernel.bytes + left.bytes };
      assert.deepEqual(together, this.#table.counters(flow.id));
    }
  }

  end(): void {
    for (const flow of this.#flows) assert.ok(this.#rig.flows.remove(flow.id));
    assert.equal(this.#rig.flows.size, 0);
  }

  /** Mostly to a flow that is there. */
  #spec(plan: PacketPlan): FrameSpec {
    const flow = this.#flows[plan.flow % this.#flows.length];
    const family = plan.stray ? plan.family : (flow?.match.local.family ?? 4);
    const to = plan.stray || flow === undefined ? localOf(plan.local, family) : flow.match.local;
    const from = plan.stray || flow === undefined ? remoteOf(plan.remote, family) : flow.match.remote;
    return {
      from,
      to,
      payload: payloadOf(plan, flow),
      trafficClass: plan.trafficClass,
      hopLimit: plan.hopLimit,
      id: plan.id,
      flowLabel: plan.id,
      checksum: plan.checksum === 'none' && family === 6 ? 'right' : plan.checksum,
      trailer: Buffer.alloc(plan.trailer, 0xee),
      fragment: plan.trailer % 2 === 0 ? 0x4000 : 0,
      destinationMac: plan.astray ? '02:00:00:00:00:03' : RELAY_MAC,
    };
  }
}

function compareForwarded(verdict: Extract<Verdict, { kind: 'forward' }>, spec: FrameSpec, frame: Buffer): void {
  const { rewrite } = verdict.flow;
  const out = parseFrame(frame);
  assert.deepEqual(Buffer.from(out.payload), Buffer.from(verdict.packet));
  assert.deepEqual(out.from, rewrite.local);
  assert.deepEqual(out.to, rewrite.remote);
  assert.equal(out.destinationMac, nextHopMac(rewrite.remote.address));
  assert.equal(out.sourceMac, RELAY_MAC);
  assert.equal(out.trafficClass, spec.trafficClass);
  assert.equal(out.hopLimit, (spec.hopLimit ?? 0) - 1);
  assert.equal(out.checksum, spec.checksum === 'partial' ? 'right' : spec.checksum);
  if (rewrite.remote.family === 6) {
    assert.equal(out.flowLabel, 0);
  } else {
    assert.equal(out.fragment, spec.from.family === 4 ? spec.fragment : 0x4000);
    assert.equal(out.id, spec.from.family === 4 ? spec.id : 0);
  }
}

/** What the kernel may pass though a flow takes it: a missing checksum that IPv6 wants, and more behind the data than pads it to a word. */
function isLeftToUserspace(flow: Flow, spec: FrameSpec, payload: Buffer): boolean {
  const { encapsulation, remote } = flow.rewrite;
  if (spec.checksum === 'none') return remote.family === 6;
  const strips = encapsulation.kind === 'strip' || encapsulation.kind === 'replace';
  return strips && payload.length - 4 - channelLength(payload) > 3;
}

const VERDICTS: Readonly<Record<Verdict['kind'], number>> = { forward: XDP_TX, miss: XDP_PASS, drop: XDP_DROP };
