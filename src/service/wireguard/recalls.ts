import type { Endpoint } from '../../net/endpoint.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import { type BudgetOptions, SourceBudget } from '../limiter.ts';
import { Rate } from './rate.ts';

/**
 * Hashes with the keys that a source last spoke to, which cost nothing where they tell whom a message is for. Garbage in the name of a
 * known source uses them up: so many a second for each, and in all. What the source itself sends takes its chance among it then.
 */
export class Recalls {
  readonly #bySource: SourceBudget;
  readonly #inAll: Rate;

  constructor(hashesPerSecond: number, random: RandomBytes) {
    this.#bySource = new SourceBudget(OF_A_SOURCE, random);
    this.#inAll = new Rate(hashesPerSecond, BURST);
  }

  take(from: Endpoint, hashes: number, now: Millis): boolean {
    if (hashes === 0) return true;
    return (
      this.#inAll.available(now) >= hashes && this.#bySource.take(from, hashes, now) && this.#inAll.take(hashes, now)
    );
  }

  /** They were well spent. */
  give(from: Endpoint, hashes: number, now: Millis): void {
    this.#bySource.give(from, hashes, now);
    this.#inAll.spend(-hashes);
  }
}

const OF_A_SOURCE: BudgetOptions = { perAddress: 2000, perPrefix: 4000, burstSeconds: 2, maxSources: 16_384 };
const BURST: Millis = 1000;
