import { type Millis, SECOND } from '../../net/time.ts';

/** How much work may be done, whoever causes it: `perSecond` pieces, and what `burst` saves up. */
export class Rate {
  readonly #perMilli: number;
  readonly #most: number;
  #tokens = 0;
  #filledAt: Millis | undefined = undefined;

  constructor(perSecond: number, burst: Millis) {
    this.#perMilli = perSecond / SECOND;
    this.#most = Math.max(1, this.#perMilli * burst);
  }

  /** What may be spent now. */
  available(now: Millis): number {
    const elapsed = this.#filledAt === undefined ? Number.POSITIVE_INFINITY : Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(this.#most, this.#tokens + elapsed * this.#perMilli);
    this.#filledAt = now;
    return this.#tokens;
  }

  spend(pieces: number): void {
    this.#tokens -= pieces;
  }

  /** Spends them all, or nothing when there are not so many. */
  take(pieces: number, now: Millis): boolean {
    if (this.available(now) < pieces) return false;
    this.spend(pieces);
    return true;
  }

  /** When there will be so many, or as many as there can be. */
  readyAt(pieces: number, now: Millis): Millis {
    return now + Math.ceil((Math.min(pieces, this.#most) - this.#tokens) / this.#perMilli);
  }

  /** Whether something could be spent when it was last asked. */
  get isReady(): boolean {
    return this.#tokens >= 1;
  }
}
