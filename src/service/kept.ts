import type { Millis } from '../net/time.ts';

/** One thing that a service keeps over a restart. */
export interface KeptEntry {
  /** Unique in its service. */
  readonly key: string;
  /** Survives JSON. Undefined: it is gone. */
  readonly value: object | undefined;
}

/**
 * A service whose clients outlive the process. Its state is a set of small entries, so that what it costs to keep them goes by what changed,
 * and a hundred thousand clients are written a few at a time. Both lists are lazy: an entry is read when its turn comes.
 */
export interface Restorable {
  /** Everything. From now on changes are noted. */
  keptEntries(): Iterable<KeptEntry>;
  /** What changed since either was last asked for; undefined when that is not known and everything must be asked for. */
  keptChanges(): Iterable<KeptEntry> | undefined;
  /**
   * The values of an earlier process, into a new service that knows its listeners; drain pollOutput() afterwards. What has expired, or what
   * the configuration no longer allows, is left out and counted.
   */
  restoreEntries(values: readonly object[], now: Millis): void;
  /** How many entries that was so far; the last are known when every port has been answered. */
  readonly leftOut: number;
}

/** Things that changed since somebody last asked. Before that nothing is noted: a relay that keeps nothing pays nothing. */
export class Changes<Thing> {
  #noted: Set<Thing> | undefined = undefined;

  note(thing: Thing): void {
    if (this.#noted === undefined) return;
    this.#noted.add(thing);
    // A disk that hangs must not fill the memory.
    if (this.#noted.size > MOST) this.#noted = undefined;
  }

  /** Undefined: they are too many, or nobody has called begin() yet. */
  take(): readonly Thing[] | undefined {
    if (this.#noted === undefined) return undefined;
    const things = [...this.#noted];
    this.#noted.clear();
    return things;
  }

  begin(): void {
    this.#noted = new Set();
  }
}

const MOST = 200_000;
