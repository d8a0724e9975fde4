import type { Worker } from 'node:worker_threads';
import { SECOND } from '../../net/time.ts';
import { Epoll, WakeUp } from '../../sys/epoll.ts';
import type { Fd } from '../../sys/fd.ts';
import { type SharedMemory, WORKER_EPOCH } from './layout.ts';
import { type MissHandler, MissReader } from './miss-ring.ts';
import { createRingMemory } from './ring.ts';
import { startThread } from './thread.ts';
import type { Reader } from './udp-ports.ts';
import { WorkerCounts } from './worker-counts.ts';
import { QUIT, type WorkerMemory, type WorkerStart } from './worker-start.ts';

export interface LaneParts {
  readonly shared: SharedMemory;
  readonly uring: boolean;
  readonly onMiss: MissHandler;
  /** A worker ended by a fault; another one takes its place. */
  readonly onFault: (error: Error) => void;
}

/**
 * One worker with the sockets that are its own. All that it works on is shared or the kernel's: when it dies, the next one goes on where
 * it was, and what arrived meanwhile waits in the sockets.
 */
export class Lane implements Reader {
  readonly takesTrains = true;
  readonly counts: WorkerCounts = new WorkerCounts();
  readonly #parts: LaneParts;
  readonly #own: WorkerMemory;
  readonly #state: Int32Array;
  readonly #epoll: Epoll = new Epoll();
  readonly #quit: WakeUp = new WakeUp();
  readonly #misses: MissReader;
  readonly #ring = (): void => this.#quit.ring();
  #worker: Worker;
  #pause = FIRST_PAUSE;
  #restart: NodeJS.Timeout | undefined = undefined;
  #closed = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
    const misses = createRingMemory(MISS_BYTES);
    this.#own = { state: new SharedArrayBuffer(64), counts: this.counts.memory, misses };
    this.#state = new Int32Array(this.#own.state);
    this.#misses = new MissReader(misses, parts.onMiss);
    this.#epoll.add(this.#quit.fd, QUIT);
    // A process that exits without closing would wait for a thread that waits for packets.
    process.once('exit', this.#ring);
    this.#worker = this.#start();
  }

  /** Packets that come to this socket are the worker's from now on, by its place. Throws SystemError. */
  add(fd: Fd, place: number): void {
    this.#epoll.add(fd, place);
  }

  remove(fd: Fd): void {
    this.#epoll.remove(fd);
  }

  /** Returns when the worker does not work any more on the batch that left this mark. */
  settle(touched: number): void {
    const deadline = performance.now() + MOST_SETTLING;
    while (touched % 2 !== 0 && Atomics.load(this.#state, WORKER_EPOCH) === touched) {
      Atomics.wait(this.#state, WORKER_EPOCH, touched, 1);
      // A batch takes some milliseconds. It does not end when its worker died in it, of which we hear later.
      if (performance.now() > deadline) return;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    process.off('exit', this.#ring);
    this.#misses.close();
    this.#quit.ring();
    await this.#ended(this.#worker);
    this.#epoll.fd.close();
    this.#quit.fd.close();
  }

  #start(): Worker {
    const { shared, uring } = this.#parts;
    const start: WorkerStart = { shared, uring, own: this.#own, epoll: this.#epoll.fd.number };
    const limits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };
    const worker = startThread('./worker', import.meta.url, 'culvert batched', start, limits);
    worker.on('error', (error) => this.#parts.onFault(error instanceof Error ? error : new Error(String(error))));
    worker.once('exit', () => this.#ending());
    return worker;
  }

  #ending(): void {
    if (this.#closed) return;
    // Whatever it was at, it is at no more.
    if (Atomics.load(this.#state, WORKER_EPOCH) % 2 !== 0) Atomics.add(this.#state, WORKER_EPOCH, 1);
    this.#restart = setTimeout(() => {
      this.#worker = this.#start();
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #ended(worker: Worker): Promise<void> {
    return new Promise((resolve) => {
      if (worker.threadId === -1) resolve();
      else worker.once('exit', () => resolve());
    });
  }
}

/** For the bursts of a second: some 3000 requests, or 16 of the largest datagrams. */
const MISS_BYTES = 1024 * 1024;
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 5 * SECOND;
const MOST_SETTLING = SECOND;
