import type { SharedMemory } from './layout.ts';
import type { RingMemory } from './ring.ts';

/** What the main thread starts a worker with. */
export interface WorkerStart {
  readonly shared: SharedMemory;
  readonly own: WorkerMemory;
  /** A descriptor that watches sockets by their place. */
  readonly epoll: number;
  /** Whether io_uring may be used, which the kernel can. */
  readonly uring: boolean;
}

/** What a worker has of its own and the main thread looks at. */
export interface WorkerMemory {
  readonly state: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly misses: RingMemory;
}

/** The tag of what tells a worker to end; no socket has this place. */
export const QUIT = 0x7fffffff;
