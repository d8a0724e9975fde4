// The conformance suite on both sides of a veth, so that it is the kernel that forwards, natively and generically, and above either engine.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { type BatchedEngine, createBatchedEngine } from '../../src/engine/batched/batched.ts';
import type { Engine, EngineSink } from '../../src/engine/engine.ts';
import { createPortableEngine } from '../../src/engine/portable/portable.ts';
import { createXdpEngine, type XdpEngine } from '../../src/engine/xdp/xdp.ts';
import { openDescriptors } from '../../src/sys/fd.ts';
import { missing } from '../requirements.ts';
import type { EngineParts } from './conformance/rig.ts';
import { engineConformance } from './conformance.ts';
import { TwoSides } from './xdp/two-sides.ts';

const skip = missing('bpf', 'ffi');
const network = skip === false ? new TwoSides() : undefined;

for (const mode of ['native', 'generic'] as const) {
  for (const below of ['portable', 'batched'] as const) {
    describe(`xdp, ${mode}, above ${below}`, { skip }, () => {
      const modes = new Set<string>();
      let inner: Engine | undefined;
      before(() => network?.setPeerGro(mode === 'native'));
      engineConformance({
        name: 'xdp',
        create: (parts) => {
          const createInner = (sink: EngineSink): Engine => (inner = engineBelow(below, { ...parts, sink }));
          const result = createXdpEngine({
            ...parts,
            createInner,
            interfaces: ['relay0'],
            mostFlows: 1024,
            sweepEvery: 20,
            log: () => undefined,
          });
          assert.ok(result.ok, JSON.stringify(result));
          const { engine } = result;
          const close = engine.close.bind(engine);
          engine.close = () => {
            engine.close = close;
            modes.add(engine.mode);
            return close();
          };
          return engine;
        },
        tick: (engine) => {
          if (below === 'batched') (inner as BatchedEngine).tick();
          (engine as XdpEngine).tick();
        },
        ...(network === undefined ? {} : { network }),
        // Streams are those of the engine below: that they are handed on is shown once.
        skips: {
          tls: missing('openssl'),
          streams: mode === 'native' && below === 'portable' ? false : 'the engine below has them',
        },
      });
      after(() => assert.deepEqual(modes, new Set([mode])));
    });
  }
}

function engineBelow(name: 'portable' | 'batched', parts: EngineParts): Engine {
  if (name === 'portable') return createPortableEngine({ ...parts, sweepEvery: 20 });
  return createBatchedEngine({ ...parts, seed: 1, sweepEvery: 20 });
}

after(() => assert.deepEqual(openDescriptors(), []));
