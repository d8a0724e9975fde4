import type { Millis } from '../net/time.ts';

/**
 * One timer for a service whose deadline moves with nearly every packet, mostly to later. A timer that would fire too early is left
 * alone and looks again when it does, so the usual packet costs no timer at all.
 */
export class ServiceTimer {
  readonly #clock: () => Millis;
  readonly #onDue: () => void;
  #handle: NodeJS.Timeout | undefined = undefined;
  #deadline: Millis | undefined = undefined;
  #firesAt: Millis = 0;

  constructor(clock: () => Millis, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  set(deadline: Millis | undefined, now: Millis): void {
    if (deadline === undefined) {
      this.stop();
      return;
    }
    this.#deadline = deadline;
    if (this.#handle !== undefined && this.#firesAt <= deadline) return;
    clearTimeout(this.#handle);
    const delay = Math.min(Math.max(deadline - now, 0), LONGEST_TIMEOUT);
    this.#firesAt = now + delay;
    this.#handle = setTimeout(() => this.#fire(), delay);
  }

  stop(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
    this.#deadline = undefined;
  }

  #fire(): void {
    this.#handle = undefined;
    const now = this.#clock();
    if (this.#deadline !== undefined && this.#deadline > now) this.set(this.#deadline, now);
    else this.#onDue();
  }
}

/** What setTimeout takes; a longer delay would fire at once. */
const LONGEST_TIMEOUT: Millis = 2 ** 31 - 1;
