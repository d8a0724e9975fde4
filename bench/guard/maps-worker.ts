/**
 * What many flows cost, in a network namespace of its own. Arguments: the wrapper and the bare look-up, both compiled; flows as a power of two;
 * repeats. Prints one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { flowKey, flowValue } from '../../src/engine/xdp/layout.ts';
import type { Flow } from '../../src/flow/flow.ts';
import type { FlowId } from '../../src/net/ids.ts';
import { BpfObject } from '../../src/sys/libbpf/object.ts';
import { type BpfProgram, XDP_DROP, XDP_REDIRECT } from '../../src/sys/libbpf/program.ts';
import { buildFrame } from '../../test/engine/xdp/frames.ts';
import { KernelRig, setUpNetwork } from '../../test/engine/xdp/rig.ts';
import { flowWith, LISTENER, payloadFor, specFor } from '../../test/engine/xdp/sample-flows.ts';
import type { MapSample } from '../engines/kinds.ts';
import { Wrapped } from './wrapped.ts';

const PAYLOAD = 160;
/** As the engine has it. */
const HOP_LIFETIME_NS = 1e9;
const BATCH = 4096;
const ENGINE_FLOWS = 1 << 14;

const [wrapper = '', lookup = '', power, repeats] = process.argv.slice(2);
const [flows, repeat] = [2 ** Number(power), Number(repeats)];
setUpNetwork();
const rig = new KernelRig({ flows4: flows });
const wrapped = new Wrapped(wrapper);
const engine = oneByOne();
rig.reset();
rig.open(LISTENER.port, 'turn');
rig.set({ hopLifetime: HOP_LIFETIME_NS, clock: 0 });
inBatches(0, BATCH);
const few = { one: packets(1), thousand: packets(1024) };
const batched = (flows - BATCH) / (inBatches(BATCH, flows) / 1000);
const many = { full: packets(1), million: packets(flows), lookup: bareLookup() };
console.log(JSON.stringify({ ...few, ...many, batched, engine } satisfies MapSample));

/** Flow `number` has the sender that wrap.bpf.c makes up for it. */
function flow(number: number): Flow {
  const made = flowWith({ kind: 'channel', channel: 0x4001 }, { kind: 'strip' }, 0);
  const address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
  return {
    ...made,
    id: (number + 1) as FlowId,
    match: { ...made.match, remote: { ...made.match.remote, address } },
  };
}

/** Flows a second, as the engine adds them. */
function oneByOne(): number {
  const made = Array.from({ length: ENGINE_FLOWS }, (_, number) => flow(number));
  const start = performance.now();
  for (const each of made) rig.flows.add(each, each.rewrite.local.address);
  return ENGINE_FLOWS / ((performance.now() - start) / 1000);
}

/** Milliseconds in the kernel. */
function inBatches(from: number, to: number): number {
  const { flows4 } = rig.maps.flows;
  const [keys, values] = [Buffer.alloc(BATCH * flows4.keyBytes), Buffer.alloc(BATCH * flows4.valueBytes)];
  let milliseconds = 0;
  for (let number = from; number < to; number += BATCH) {
    for (let row = 0; row < BATCH; row++) {
      const each = flow(number + row);
      flowKey(each).key.copy(keys, row * flows4.keyBytes);
      flowValue(each, each.rewrite.local.address, 0).copy(values, row * flows4.valueBytes);
    }
    const start = performance.now();
    const { error } = flows4.updateBatch(keys, values, BATCH);
    milliseconds += performance.now() - start;
    if (error !== undefined) throw error;
  }
  return milliseconds;
}

/** Nanoseconds a packet, of so many of the flows that are there. */
function packets(count: number, program: BpfProgram = rig.program, verdict: number = XDP_REDIRECT): number {
  const one = flow(0);
  const frame = buildFrame(specFor(one, { payload: payloadFor(one, PAYLOAD) }));
  const { result, nanoseconds } = wrapped.run(program, frame, { flows: count, repeat, rounds: 3 });
  if (result !== verdict) throw new Error(`the program says ${result}`);
  return nanoseconds;
}

function bareLookup(): number {
  const object = BpfObject.open(readFileSync(lookup));
  object.adopt('flows4', rig.maps.flows.flows4.fd);
  const nanoseconds = packets(flows, object.load('lookup'), XDP_DROP);
  object.close();
  return nanoseconds;
}
