/**
 * Nanoseconds a packet, in a network namespace of its own. Arguments: the wrapper, the bare rewrite, both compiled; repeats. Prints one line of
 * JSON.
 */
import { readFileSync } from 'node:fs';
import { PORT_BITS, uint32Key } from '../../src/engine/xdp/layout.ts';
import type { Flow } from '../../src/flow/flow.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { BucketId } from '../../src/net/ids.ts';
import { BpfObject } from '../../src/sys/libbpf/object.ts';
import { XDP_PASS, XDP_REDIRECT } from '../../src/sys/libbpf/program.ts';
import { buildFrame } from '../../test/engine/xdp/frames.ts';
import { KernelRig, RELAY4, setUpNetwork } from '../../test/engine/xdp/rig.ts';
import { ALL, CLIENT, flowsOfEveryKind, LISTENER, payloadFor, specFor } from '../../test/engine/xdp/sample-flows.ts';
import { Wrapped } from './wrapped.ts';

export interface GuardFigures {
  readonly rewrite: number;
  /** Of the bare rewrite and putting the packet back together: by it figures of two machines can be compared. */
  readonly reference: number;
  readonly kinds: Readonly<Record<string, number>>;
}

const PAYLOAD = 160;
/** Longer than all runs: the next hop of the first packet is good for all of them. */
const HOUR_NS = 3600e9;

const [wrapper = '', limit = '', repeats] = process.argv.slice(2);
const repeat = Number(repeats);
setUpNetwork();
const rig = new KernelRig();
const wrapped = new Wrapped(wrapper);
const kinds: Record<string, number> = {};

for (const [name, make] of flowsOfEveryKind()) kinds[name] = ofFlow(make(), name, HOUR_NS);
const [keep, strip] = [flowNamed('keep, IPv4 to IPv4'), flowNamed('strip, IPv4 to IPv4')];
const unlimited = { bucket: 1 as BucketId, bytesPerSecond: 1e12, burst: 1e9 };
kinds['strip, IPv4 to IPv4, with a bucket'] = ofFlow({ ...strip, limit: unlimited }, 'bucket', HOUR_NS);
kinds['keep, IPv4 to IPv4, route looked up each time'] = ofFlow(keep, 'look-up', 0);
for (const [name, any] of [
  ['keep, IPv4 to IPv4', '0.0.0.0'],
  ['keep, IPv6 to IPv6', '::'],
] as const) {
  const flow = flowNamed(name);
  const everywhere = { ...flow, match: { ...flow.match, local: { ...flow.match.local, address: any } } };
  kinds[`${name}, at all addresses`] = ofFlow(everywhere, name, HOUR_NS, flow.match.local);
}
rig.reset();
settle(HOUR_NS);
kinds['of no flow, passed up'] = expecting(specFor(undefined, { payload: Buffer.alloc(PAYLOAD) }), XDP_PASS, 'no flow');
const foreign = { from: CLIENT, to: { ...LISTENER, port: 9 }, payload: Buffer.alloc(PAYLOAD) };
kinds['of a port that is none of ours'] = expecting(foreign, XDP_PASS, 'foreign');
console.log(JSON.stringify({ ...ofRewrite(), kinds } satisfies GuardFigures));

function flowNamed(wanted: string): Flow {
  const found = flowsOfEveryKind().find(([name]) => name === wanted);
  if (found === undefined) throw new Error(`no sample flow "${wanted}"`);
  return found[1]();
}

/** `to`: where packets go, when the flow's listener is at every address. */
function ofFlow(flow: Flow, name: string, hopLifetime: number, to?: Endpoint): number {
  rig.reset();
  settle(hopLifetime);
  if (to !== undefined) rig.open(LISTENER.port, 'turn', ALL | PORT_BITS.WILDCARD);
  const failure = rig.flows.add(flow, flow.rewrite.local.address);
  if (failure !== undefined) throw new Error(`${name}: ${failure}`);
  const spec = specFor(flow, { payload: payloadFor(flow, PAYLOAD), ...(to === undefined ? {} : { to }) });
  return expecting(spec, XDP_REDIRECT, name);
}

function settle(hopLifetime: number): void {
  rig.open(LISTENER.port, 'turn');
  rig.set({ hopLifetime, clock: 0 });
}

function expecting(spec: Parameters<typeof buildFrame>[0], verdict: number, name: string): number {
  const { result, nanoseconds } = wrapped.run(rig.program, buildFrame(spec), { repeat });
  if (result !== verdict) throw new Error(`${name}: the program says ${result} instead of ${verdict}`);
  return nanoseconds;
}

function ofRewrite(): Pick<GuardFigures, 'rewrite' | 'reference'> {
  const object = BpfObject.open(readFileSync(limit));
  const program = object.load('rewrite');
  // struct limit_plan: the port comes first.
  const plan = Buffer.alloc(object.map('.bss').valueBytes);
  plan.writeUInt16BE(LISTENER.port, 0);
  plan.writeUInt32LE(1, plan.length - 4);
  object.map('.bss').update(uint32Key(0), plan);
  const frame = buildFrame({ from: CLIENT, to: { ...LISTENER, address: RELAY4 }, payload: Buffer.alloc(PAYLOAD) });
  const { result, nanoseconds, whole } = wrapped.run(program, frame, { repeat });
  if (result !== XDP_REDIRECT) throw new Error(`the bare rewrite says ${result}`);
  object.close();
  return { rewrite: nanoseconds, reference: whole };
}
