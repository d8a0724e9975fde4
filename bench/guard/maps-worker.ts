/**
 * What many flows cost, in a network namespace of its own. Arguments: the wrapper, compiled; flows as a power of two; repeats. Prints one line of
 * JSON.
 */
import { flowKey, flowValue } from '../../src/engine/xdp/layout.ts';
import type { Flow } from '../../src/flow/flow.ts';
import type { FlowId } from '../../src/net/ids.ts';
import { XDP_REDIRECT } from '../../src/sys/libbpf/program.ts';
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

const [wrapper = '', power, repeats] = process.argv.slice(2);
const [flows, repeat] = [2 ** Number(power), Number(repeats)];
setUpNetwork();
const rig = new KernelRig({ flows4: flows });
const wrapped = new Wrapped(wrapper);
const sample = { ...installs(), ...packets() };
console.log(JSON.stringify(sample satisfies MapSample));

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

function installs(): Pick<MapSample, 'batched' | 'engine'> {
  const engine = Math.min(ENGINE_FLOWS, flows);
  const made = Array.from({ length: engine }, (_, number) => flow(number));
  let start = performance.now();
  for (const each of made) rig.flows.add(each, each.rewrite.local.address);
  const oneByOne = engine / ((performance.now() - start) / 1000);
  rig.reset();

  const { flows4 } = rig.maps.flows;
  const [keys, values] = [Buffer.alloc(BATCH * flows4.keyBytes), Buffer.alloc(BATCH * flows4.valueBytes)];
  let milliseconds = 0;
  for (let first = 0; first < flows; first += BATCH) {
    for (let row = 0; row < BATCH; row++) {
      const each = flow(first + row);
      flowKey(each).key.copy(keys, row * flows4.keyBytes);
      flowValue(each, each.rewrite.local.address, 0).copy(values, row * flows4.valueBytes);
    }
    start = performance.now();
    const { error } = flows4.updateBatch(keys, values, BATCH);
    milliseconds += performance.now() - start;
    if (error !== undefined) throw error;
  }
  return { engine: oneByOne, batched: flows / (milliseconds / 1000) };
}

function packets(): Pick<MapSample, 'one' | 'thousand' | 'million'> {
  rig.open(LISTENER.port, 'turn');
  rig.set({ hopLifetime: HOP_LIFETIME_NS, clock: 0 });
  const first = flow(0);
  const frame = buildFrame(specFor(first, { payload: payloadFor(first, PAYLOAD) }));
  const of = (count: number): number => {
    const { result, nanoseconds } = wrapped.run(rig.program, frame, { flows: count, repeat, rounds: 3 });
    if (result !== XDP_REDIRECT) throw new Error(`the program says ${result}`);
    return nanoseconds;
  };
  return { one: of(1), thousand: of(1024), million: of(flows) };
}
