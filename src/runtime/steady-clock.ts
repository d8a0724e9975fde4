import { performance } from 'node:perf_hooks';
import type { Millis } from '../net/time.ts';

/**
 * Unix time that never goes back. When the wall clock is set back, this one goes on at half speed until they meet again: deadlines still
 * come, and nonces and credentials, which mean wall time, are not wrong for ever.
 */
export class SteadyClock {
  readonly #wall: () => Millis;
  readonly #monotonic: () => Millis;
  #now: Millis;
  #read: Millis;

  constructor(wall: () => Millis = Date.now, monotonic: () => Millis = () => performance.now()) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#now = wall();
    this.#read = monotonic();
  }

  /** Whole milliseconds. */
  now(): Millis {
    const read = this.#monotonic();
    this.#now = Math.max(this.#wall(), this.#now + (read - this.#read) / 2);
    this.#read = read;
    return Math.floor(this.#now);
  }
}
