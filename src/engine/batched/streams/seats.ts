/**
 * What all workers and the main thread know of each listener, in shared memory. Each worker counts its own streams, so that a worker which
 * is gone takes what it counted with it, whatever it was at.
 *
 *   streams of worker 0:4   of worker 1:4   …   version of what stands:4   how many it let in:4
 *
 * Behind the last listener: how many clients of worker 0:4, of worker 1:4 … have no upstream yet.
 */
export class Seats {
  readonly #words: Int32Array;
  readonly #workers: number;
  readonly #own: number;

  /** `own`: which of the `workers` counts here; of no meaning for the main thread. */
  constructor(memory: SharedArrayBuffer, workers: number, own: number = 0) {
    this.#words = new Int32Array(memory);
    this.#workers = workers;
    this.#own = own;
  }

  static bytes(listeners: number, workers: number): number {
    return (listeners * (workers + MORE) + workers) * 4;
  }

  /** A place for one stream more, among all workers: which it is, from 1; 0 when all are taken. */
  take(listener: number, most: number): number {
    const at = this.#at(listener) + this.#own;
    // Two that meet at the last place both step back, and look again.
    while (this.taken(listener) < most) {
      Atomics.add(this.#words, at, 1);
      const seat = this.taken(listener);
      if (seat <= most) return seat;
      Atomics.sub(this.#words, at, 1);
    }
    return 0;
  }

  leave(listener: number): void {
    Atomics.sub(this.#words, this.#at(listener) + this.#own, 1);
  }

  /** By all workers together. */
  taken(listener: number): number {
    const at = this.#at(listener);
    let taken = 0;
    for (let worker = 0; worker < this.#workers; worker++) taken += Atomics.load(this.#words, at + worker);
    return taken;
  }

  /** So many clients of this worker have no upstream yet. */
  owe(count: number): void {
    Atomics.store(this.#words, this.#words.length - this.#workers + this.#own, count);
  }

  /** Of all workers together. */
  get owed(): number {
    let owed = 0;
    for (let at = this.#words.length - this.#workers; at < this.#words.length; at++)
      owed += Atomics.load(this.#words, at);
    return owed;
  }

  /** A worker is gone. */
  forget(worker: number): void {
    const stride = this.#workers + MORE;
    for (let at = worker; at < this.#words.length; at += stride) Atomics.store(this.#words, at, 0);
  }

  /** Of what stands at the listener. Who has decided by another may not decide by that any more. */
  version(listener: number): number {
    return Atomics.load(this.#words, this.#at(listener) + this.#workers);
  }

  /** Its turns begin with the first target, whatever those before came to. */
  nextVersion(listener: number): number {
    const at = this.#at(listener) + this.#workers;
    Atomics.store(this.#words, at + 1, 0);
    Atomics.add(this.#words, at, 1);
    return Atomics.load(this.#words, at);
  }

  /** Whose turn it is of the targets of what stands, among all workers. */
  takeTurn(listener: number): number {
    return Atomics.add(this.#words, this.#at(listener) + this.#workers + 1, 1) >>> 0;
  }

  #at(listener: number): number {
    return listener * (this.#workers + MORE);
  }
}

/** Words behind the counts. */
const MORE = 2;
