import assert from 'node:assert/strict';
import { enableCompileCache } from 'node:module';
import { after } from 'node:test';
import { type BatchedEngine, createBatchedEngine } from '../../src/engine/batched/batched.ts';
import { openDescriptors } from '../../src/sys/fd.ts';
import { missing } from '../requirements.ts';
import { engineConformance } from './conformance.ts';

// Every engine starts a worker: without the cache each would strip the types again.
enableCompileCache();

for (const [name, switches] of [
  ['batched, one worker', {}],
  ['batched, two workers', { workers: 2 }],
  ['batched, without GSO', { gso: false, uring: false }],
  ['batched, without GRO', { gro: false }],
  ['batched, without both, two workers', { gso: false, gro: false, uring: false, workers: 2 }],
] as const) {
  engineConformance({
    name,
    create: (parts) => createBatchedEngine({ ...parts, ...switches, seed: 1, sweepEvery: 20 }),
    tick: (engine) => (engine as BatchedEngine).tick(),
    skips: {
      ipv6: missing('ipv6'),
      tls: missing('openssl'),
      all: missing('ffi'),
      streams: 'gso' in switches || 'gro' in switches ? 'the switches are of datagrams' : false,
    },
  });
}

after(() => assert.deepEqual(openDescriptors(), []));
