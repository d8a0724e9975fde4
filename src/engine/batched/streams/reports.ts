import type { Millis } from '../../../net/time.ts';
import { type RingMemory, RingWriter } from '../ring.ts';
import type { Accepting } from './acceptor.ts';
import {
  CHUNK_BYTES,
  OPENED_BYTES,
  OPENED_LOCAL,
  OPENED_REMOTE,
  OPENED_TAG,
  PAIR_BYTES,
  REPORT,
  SOCKADDR_STRIDE,
} from './messages.ts';
import type { Stream } from './stream.ts';

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
    return this.roomy && this.#ring.begin(REPORT.pair, 0, PAIR_BYTES) >= 0;
  }

  /** Only where a stream is taken. `ends`: where its sockaddrs are. `errno`: of a target that was tried already. */
  opened({ handle, listener, fd, tag }: Stream, ends: Ends, errno: number): void {
    const at = this.#ring.begin(REPORT.opened, handle, OPENED_BYTES);
    this.#writeEnds(at, listener?.id ?? 0, fd.number, ends);
    this.#ring.setWord(at + OPENED_TAG, tag);
    this.#ring.setWord(at + OPENED_TAG + 4, errno);
    this.#send(true);
  }

  /** Only where a stream is taken. */
  pair({ handle, listener, fd, tag }: Stream, upstream: Stream, ends: Ends): void {
    const at = this.#ring.begin(REPORT.pair, handle, PAIR_BYTES);
    this.#writeEnds(at, listener?.id ?? 0, fd.number, ends);
    this.#ring.setWord(at + OPENED_TAG, tag);
    this.#ring.setNumber(at + OPENED_BYTES, upstream.handle);
    this.#ring.setNumber(at + OPENED_BYTES + 8, upstream.fd.number);
    this.#send(false);
  }

  /** Only while everything went out. False when there is no room, and they have to be told later. */
  totals({ id, totals: { connections, toUpstream, toClient } }: Accepting): boolean {
    const at = this.#ring.begin(REPORT.totals, id, 24);
    if (at < 0) return false;
    this.#ring.setNumber(at, connections);
    this.#ring.setNumber(at + 8, toUpstream);
    this.#ring.setNumber(at + 16, toClient);
    this.#send(false);
    return true;
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

  begun(): void {
    this.#put({ kind: REPORT.begun, handle: 0, first: 0, second: 0, urgent: true });
  }

  /** The answer to `question`. */
  told(question: number): void {
    this.#put({ kind: REPORT.told, handle: question, first: 0, second: 0, urgent: true });
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

  #writeEnds(at: number, listener: number, descriptor: number, { words, remote, local }: Ends): void {
    this.#ring.setNumber(at, listener);
    this.#ring.setNumber(at + 8, descriptor);
    for (let n = 0; n < SOCKADDR_STRIDE; n += 4) {
      this.#ring.setWord(at + OPENED_REMOTE + n, words[(remote + n) >> 2] ?? 0);
      this.#ring.setWord(at + OPENED_LOCAL + n, words[(local + n) >> 2] ?? 0);
    }
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

/** Two sockaddrs, by their offsets in bytes. */
export interface Ends {
  readonly words: Int32Array;
  readonly remote: number;
  readonly local: number;
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
