import type { Endpoint } from '../../net/endpoint.ts';
import type { RandomBytes } from '../../net/random.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { type BudgetOptions, SourceBudget } from '../limiter.ts';
import { Rate } from './rate.ts';

/** How much work sources may cause: so much for each, and so much in all. */
export class WorkBudget {
  readonly #ofSource: SourceBudget;
  readonly #inAll: Rate;

  constructor(ofSource: BudgetOptions, perSecondInAll: number, random: RandomBytes) {
    this.#ofSource = new SourceBudget(ofSource, random);
    this.#inAll = new Rate(perSecondInAll, BURST);
  }

  take(from: Endpoint, pieces: number, now: Millis): boolean {
    if (this.#inAll.available(now) < pieces || !this.#ofSource.take(from, pieces, now)) return false;
    this.#inAll.spend(pieces);
    return true;
  }

  /** They were not needed, or well spent. */
  give(from: Endpoint, pieces: number, now: Millis): void {
    this.#ofSource.give(from, pieces, now);
    this.#inAll.spend(-pieces);
  }
}

const BURST: Millis = SECOND;
