import type { Millis } from '../net/time.ts';
import type { RateLimit } from './flow.ts';

/**
 * Bytes per second with a burst. Levels are thousandths of a byte, so that a refill over whole milliseconds is a whole number
 * and every engine, also one without floating point, comes to the same verdict. A packet larger than the burst never passes.
 */
export class TokenBucket {
  #rate: number;
  #depth: number;
  #level: number;
  #updated: Millis;
  /** How many flows share it. Kept by FlowTable. */
  users = 0;

  constructor(limit: RateLimit, now: Millis) {
    this.#rate = limit.bytesPerSecond;
    this.#depth = limit.burst * PER_BYTE;
    this.#level = this.#depth;
    this.#updated = now;
  }

  /** A later flow of the same bucket may change its limits; what has been spent stays spent. */
  adjust(limit: RateLimit): void {
    this.#rate = limit.bytesPerSecond;
    this.#depth = limit.burst * PER_BYTE;
    this.#level = Math.min(this.#level, this.#depth);
  }

  /** Takes `bytes` out, or nothing when there is not enough. A clock that steps back refills nothing. */
  take(bytes: number, now: Millis): boolean {
    if (now > this.#updated) {
      this.#level = Math.min(this.#depth, this.#level + (now - this.#updated) * this.#rate);
      this.#updated = now;
    }
    const cost = bytes * PER_BYTE;
    if (cost > this.#level) return false;
    this.#level -= cost;
    return true;
  }
}

/** rate [byte/s] × elapsed [ms] = thousandths of a byte. */
const PER_BYTE = 1000;
