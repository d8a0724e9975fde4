import { workerData } from 'node:worker_threads';
import { StreamLoop } from './loop.ts';
import type { StreamMemory } from './messages.ts';

/** What the main thread starts a worker with. */
export interface StreamWorkerData {
  readonly memory: StreamMemory;
  /** Number of an eventfd. */
  readonly bell: number;
}

const { memory, bell } = workerData as StreamWorkerData;
new StreamLoop(memory, bell).run();
