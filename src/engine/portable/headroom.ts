import type { Millis } from '../../net/time.ts';
import { openFiles, openFilesLimit } from '../../sys/open-files.ts';

/**
 * Whether there are descriptors for newcomers. Some stay reserved: for the upstreams of those who are here already, and for everything else that the
 * process does. It looks seldom while there are many, and each time when there are few.
 */
export class Headroom {
  readonly #sharers: number;
  readonly #read: Readings;
  #limit: number | undefined;
  #limitUntil: Millis = Number.NEGATIVE_INFINITY;
  /** What may be spent before the next look, and until when; before `#notBefore` there is none. */
  #budget = 0;
  #until: Millis = Number.NEGATIVE_INFINITY;
  #notBefore: Millis = Number.NEGATIVE_INFINITY;

  /** `sharers`: how many threads spend at the same time, each by a headroom of its own. */
  constructor(sharers: number = 1, read: Readings = READINGS) {
    this.#sharers = sharers;
    this.#read = read;
  }

  /** Whether `count` may be opened. `owed`: how many those want who are here already. */
  allows(count: number, owed: number = 0): boolean {
    const now = this.#read.now();
    if ((this.#budget < count || now >= this.#until) && now >= this.#notBefore) this.#look(count, owed, now);
    if (this.#budget < count) return false;
    this.#budget -= count;
    return true;
  }

  #look(count: number, owed: number, now: Millis): void {
    if (now >= this.#limitUntil) {
      this.#limit = this.#read.limit();
      this.#limitUntil = now + LIMIT_STAYS;
    }
    const used = this.#read.used();
    const left =
      this.#limit === undefined || used === undefined
        ? Number.POSITIVE_INFINITY
        : this.#limit - reserveOf(this.#limit) - used - owed;
    // The last ones may go to several at once: that is what the reserve is for.
    this.#budget = Math.max(Math.min(left, count), left / this.#sharers);
    const took = this.#read.now() - now;
    this.#notBefore = took > CHEAP ? now + COSTLY * took : now;
    this.#until = Math.max(now + LOOK_STAYS, this.#notBefore);
  }
}

/** What a system says; replaced in tests. */
export interface Readings {
  /** Descriptors that may be open, and that are; undefined: nobody knows. */
  limit(): number | undefined;
  used(): number | undefined;
  now(): Millis;
}

/** An eighth, within bounds: a limit for thousands of clients leaves enough with less, and a very low one has to leave something for clients. */
export function reserveOf(limit: number): number {
  return Math.max(8, Math.min(256, Math.floor(limit / 8)));
}

const READINGS: Readings = { limit: openFilesLimit, used: openFiles, now: () => performance.now() };
const LOOK_STAYS: Millis = 100;
/** The limit of a running process hardly ever changes (prlimit). */
const LIMIT_STAYS: Millis = 1000;
/** Without a number at hand, with very many open, a look takes long: it gets a fiftieth of the time. */
const CHEAP: Millis = 1;
const COSTLY = 50;
