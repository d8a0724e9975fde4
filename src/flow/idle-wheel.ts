import type { Millis } from '../net/time.ts';

/** Something that the wheel may hold. `slot` is kept by the wheel, -1 while it holds it not. */
export interface Idler {
  slot: number;
}

/**
 * Deadlines in coarse slots. A packet costs nothing here: an entry is looked at only when its slot comes round, and whoever uses the
 * wheel then puts it back if it was busy meanwhile. So an entry is touched about once per idle time, and nothing scans them all.
 */
export class IdleWheel<T extends Idler> {
  readonly #granularity: Millis;
  readonly #slots = new Map<number, Set<T>>();
  /** No entry is due before; a slot that was left empty may be named too. */
  #earliest = Number.POSITIVE_INFINITY;

  constructor(granularity: Millis) {
    this.#granularity = granularity;
  }

  /** It will be due at the first `takeDue` at or after `at` (rounded up to the granularity). Moves an entry that is held already. */
  set(entry: T, at: Millis): void {
    this.clear(entry);
    const slot = Math.ceil(at / this.#granularity);
    let entries = this.#slots.get(slot);
    if (entries === undefined) {
      entries = new Set();
      this.#slots.set(slot, entries);
    }
    entries.add(entry);
    entry.slot = slot;
    if (slot < this.#earliest) this.#earliest = slot;
  }

  clear(entry: T): void {
    if (entry.slot === -1) return;
    const entries = this.#slots.get(entry.slot);
    entries?.delete(entry);
    if (entries?.size === 0) this.#slots.delete(entry.slot);
    entry.slot = -1;
  }

  /** Before then nothing is due; Infinity when nothing is set. */
  next(): Millis {
    return this.#earliest * this.#granularity;
  }

  /** Takes out everything that is due. */
  takeDue(now: Millis): T[] {
    const current = Math.floor(now / this.#granularity);
    const due: T[] = [];
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const [slot, entries] of this.#slots) {
      if (slot > current) {
        this.#earliest = Math.min(this.#earliest, slot);
        continue;
      }
      this.#slots.delete(slot);
      for (const entry of entries) {
        entry.slot = -1;
        due.push(entry);
      }
    }
    return due;
  }
}
