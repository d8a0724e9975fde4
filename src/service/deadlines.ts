import type { Millis } from '../net/time.ts';

/** One entry's place in the heap; belongs to one Deadlines. Embed it in the object whose timer it is. */
export interface Deadline {
  at: Millis;
  /** Index in the heap; -1 when not set. Kept by Deadlines. */
  position: number;
}

/** A heap of deadlines: set, move and clear in O(log n), next in O(1). */
export class Deadlines<T extends Deadline> {
  /** Sets or moves. */
  set(_entry: T, _at: Millis): void {
    throw new Error('not built yet');
  }

  clear(_entry: T): void {
    throw new Error('not built yet');
  }

  next(): Millis | undefined {
    throw new Error('not built yet');
  }

  /** Takes out one entry that is due (at <= now); undefined when none is. */
  takeDue(_now: Millis): T | undefined {
    throw new Error('not built yet');
  }
}
