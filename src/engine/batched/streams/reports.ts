import type { Millis } from '../../../net/time.ts';
import { CHUNK_BYTES, OPENED_BYTES, OPENED_LOCAL, OPENED_REMOTE, REPORT, SOCKADDR_STRIDE } from './messages.ts';
import { type RingMemory, RingWriter } from './ring.ts';

/** What a worker tells the main thread. Answers and ends are never lost: what the ring has no room for waits. */
export class Reports {
  readonly #ring: RingWriter;
  /** At most an answer and an end for each stream. */
  #waiting: Report[] = [];
  #urgent = false;
  #unheard = false;
  #urgentAt: Millis = NEVER;
  #lazyAt: Millis = NEVER;

  constructor(memory: RingMemory) {
    this.#ring = new RingWriter(memory);
  }

  /** Whether everything went out so far. */
  get roomy(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether one stream more would have room. */
  get takesStream(): boolean {
    return this.roomy && this.#ring.begin(REPORT.opened, 0, OPENED_BYTES) >= 0;
  }

  /** Only where a stream is taken. The sockaddrs begin at these offsets of `from`. */
  opened(handle: number, listener: number, descriptor: number, from: Int32Array, remote: number, local: number): void {
    const at = this.#ring.begin(REPORT.opened, handle, OPENED_BYTES);
    this.#ring.setNumber(at, listener);
    this.#ring.setNumber(at + 8, descriptor);
    for (let n = 0; n < SOCKADDR_STRIDE; n += 4) {
      this.#ring.setWord(at + OPENED_REMOTE + n, from[(remote + n) >> 2] ?? 0);
      this.#ring.setWord(at + OPENED_LOCAL + n, from[(local + n) >> 2] ?? 0);
    }
    this.#send(true);
  }

  /** Whether the largest chunk would have room. */
  get takesChunk(): boolean {
    return this.roomy && this.#ring.begin(REPORT.data, 0, 8 + CHUNK_BYTES) >= 0;
  }

  /** Only where a chunk is taken. */
  data(handle: number, chunk: Uint8Array): void {
    const at = this.#ring.begin(REPORT.data, handle, 8 + chunk.length);
    this.#ring.setWord(at, chunk.length);
    this.#ring.bytes.set(chunk, at + 8);
    this.#send(true);
  }

  /** `descriptor`: of no meaning where there is an errno. `urgent`: somebody waits for it. */
  connected(handle: number, errno: number, descriptor: number, urgent: boolean): void {
    this.#put({ kind: REPORT.connected, handle, first: errno, second: descriptor, urgent });
  }

  closed(handle: number, bytes: number, clean: boolean): void {
    this.#put({ kind: REPORT.closed, handle, first: bytes, second: clean ? 1 : 0, urgent: false });
  }

  released(handle: number, descriptor: number): void {
    this.#put({ kind: REPORT.released, handle, first: descriptor, second: 0, urgent: true });
  }

  unlistened(listener: number): void {
    this.#put({ kind: REPORT.unlistened, handle: listener, first: 0, second: 0, urgent: true });
  }

  /** When the main thread should hear of what it has not heard of; Infinity when there is nothing. */
  get dueAt(): Millis {
    return Math.min(this.#urgentAt, this.#lazyAt);
  }

  /**
   * What had to wait goes out, and the main thread is woken if it sleeps: at once when it is `quiet`, that is when the kernel has no more news,
   * else a little later, so that one wake-up is for many.
   */
  flush(now: Millis, quiet: boolean): void {
    if (this.#waiting.length > 0) {
      const sent = this.#waiting.findIndex((report) => !this.#write(report));
      this.#waiting = sent < 0 ? [] : this.#waiting.slice(sent);
    }
    if (this.#urgent && this.#urgentAt === NEVER) this.#urgentAt = now + LULL;
    if (this.#unheard && this.#lazyAt === NEVER) this.#lazyAt = now + PATIENCE;
    if (this.dueAt > now && !(quiet && this.#urgent)) return;
    this.#urgentAt = NEVER;
    this.#lazyAt = NEVER;
    this.#urgent = false;
    this.#unheard = false;
    if (this.#ring.takeSleeper()) this.#ring.notify();
  }

  /** Whether somebody should be woken as soon as there are no more news. */
  get urgent(): boolean {
    return this.#urgent;
  }

  /** An end can wait: whoever asks for something hears of the ends before it too, as they come in order. */
  #send(urgent: boolean): void {
    this.#ring.send();
    if (urgent) this.#urgent = true;
    else this.#unheard = true;
  }

  #put(report: Report): void {
    if (!this.roomy || !this.#write(report)) this.#waiting.push(report);
  }

  #write({ kind, handle, first, second, urgent }: Report): boolean {
    const at = this.#ring.begin(kind, handle, 16);
    if (at < 0) return false;
    this.#ring.setNumber(at, first);
    this.#ring.setNumber(at + 8, second);
    this.#send(urgent);
    return true;
  }
}

interface Report {
  readonly kind: number;
  readonly handle: number;
  readonly first: number;
  readonly second: number;
  readonly urgent: boolean;
}

/** How late the main thread may hear of an end. */
const PATIENCE: Millis = 5;
/** And of all else, while the worker is busy. */
const LULL: Millis = 0.3;
const NEVER = Number.POSITIVE_INFINITY;
