import type { Millis } from '../net/time.ts';

/** One entry's place in the heap; belongs to one Deadlines. Embed it in the object whose timer it is. */
export interface Deadline {
  at: Millis;
  /** Index in the heap; -1 when not set. Kept by Deadlines. */
  position: number;
}

/**
 * A heap of deadlines: set, move and clear in O(log n), next in O(1). Each entry carries its own index, so that an entry is found
 * without a map. Entries that are due at the same time come out in no particular order.
 */
export class Deadlines<T extends Deadline> {
  // Four children a node: half the depth of a binary heap, and siblings lie side by side in memory.
  readonly #heap: T[] = [];

  /** How many entries are set. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets or moves. */
  set(entry: T, at: Millis): void {
    if (entry.position === -1) {
      entry.at = at;
      this.#heap.push(entry);
      this.#rise(entry, this.#heap.length - 1);
      return;
    }
    this.#mustHold(entry);
    const earlier = at < entry.at;
    entry.at = at;
    if (earlier) this.#rise(entry, entry.position);
    else this.#sink(entry, entry.position);
  }

  /** Takes the entry out; nothing happens when it is not set. */
  clear(entry: T): void {
    if (entry.position === -1) return;
    this.#mustHold(entry);
    const hole = entry.position;
    entry.position = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    // The last entry comes from another branch: it may belong above the hole as well as below it.
    this.#rise(last, hole);
    this.#sink(last, last.position);
  }

  next(): Millis | undefined {
    return this.#heap[0]?.at;
  }

  /** Takes out one entry that is due (at <= now); undefined when none is. */
  takeDue(now: Millis): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.clear(first);
    return first;
  }

  #rise(entry: T, from: number): void {
    let hole = from;
    while (hole > 0) {
      const above = (hole - 1) >> 2;
      const parent = this.#heap[above];
      if (parent === undefined || parent.at <= entry.at) break;
      this.#place(parent, hole);
      hole = above;
    }
    this.#place(entry, hole);
  }

  #sink(entry: T, from: number): void {
    let hole = from;
    for (;;) {
      const child = this.#earliestChild(hole);
      if (child === undefined || child.at >= entry.at) break;
      const below = child.position;
      this.#place(child, hole);
      hole = below;
    }
    this.#place(entry, hole);
  }

  #earliestChild(parent: number): T | undefined {
    const first = parent * 4 + 1;
    let earliest = this.#heap[first];
    if (earliest === undefined) return undefined;
    for (let index = first + 1; index < first + 4; index++) {
      const sibling = this.#heap[index];
      if (sibling === undefined) break;
      if (sibling.at < earliest.at) earliest = sibling;
    }
    return earliest;
  }

  #place(entry: T, index: number): void {
    this.#heap[index] = entry;
    entry.position = index;
  }

  #mustHold(entry: T): void {
    if (this.#heap[entry.position] !== entry) throw new DeadlineError();
  }
}

/** An entry was handed to a Deadlines that does not hold it. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  readonly code = 'DEADLINE_FOREIGN';

  constructor() {
    super('the deadline is set in another heap');
  }
}
