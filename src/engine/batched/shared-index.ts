import { hashFlow, hashSender } from './hash.ts';
import {
  CONTROL_INDEX,
  INDEX_GRAVE,
  INDEX_VACANT,
  INDEX_WORDS,
  type SharedMemory,
  SLOT_KIND,
  SLOT_SENDER,
  SLOT_SOCKET,
  SLOT_VALUE,
  SLOT_WORDS,
} from './layout.ts';

/**
 * The main thread's side of the index: open addressing, linear probing, at most three quarters taken. Readers walk it meanwhile, so an
 * entry that goes becomes a grave; when graves and flows are too many, all flows are put into the other table, which is then the one in
 * use. A reader that is still in the old one finds what was there before: no more than when he had been faster.
 */
export class SharedIndex {
  readonly #control: Int32Array;
  readonly #index: Int32Array;
  readonly #slots: Int32Array;
  readonly #seed: number;
  readonly #largest: number;
  #table = 0;
  #log2 = SMALLEST;
  /** Entries that are not vacant, and those of them that are flows. */
  #taken = 0;
  #flows = 0;

  constructor(memory: SharedMemory) {
    this.#control = new Int32Array(memory.control);
    this.#index = new Int32Array(memory.index);
    this.#slots = new Int32Array(memory.slots);
    this.#seed = memory.seed;
    this.#largest = Math.log2(this.#index.length / 2 / INDEX_WORDS);
    this.#publish();
  }

  add(slot: number): void {
    if (this.#taken + 1 > 0.75 * 2 ** this.#log2) this.#rebuild();
    this.#insert(slot);
  }

  remove(slot: number): void {
    const mask = 2 ** this.#log2 - 1;
    for (let entry = this.#hash(slot) & mask; ; entry = (entry + 1) & mask) {
      const at = this.#start() + entry * INDEX_WORDS;
      if (this.#index[at] !== slot + 1) continue;
      Atomics.store(this.#index, at, INDEX_GRAVE);
      this.#flows -= 1;
      return;
    }
  }

  #insert(slot: number): void {
    const hash = this.#hash(slot);
    const mask = 2 ** this.#log2 - 1;
    let entry = hash & mask;
    let at = this.#start() + entry * INDEX_WORDS;
    while ((this.#index[at] ?? 0) > 0) {
      entry = (entry + 1) & mask;
      at = this.#start() + entry * INDEX_WORDS;
    }
    if (this.#index[at] === INDEX_VACANT) this.#taken += 1;
    this.#flows += 1;
    this.#index[at + 1] = hash;
    Atomics.store(this.#index, at, slot + 1);
  }

  /** A third full at most, so that the next one is as many flows away. */
  #rebuild(): void {
    const [from, entries] = [this.#start(), 2 ** this.#log2];
    this.#log2 = SMALLEST;
    while (2 ** this.#log2 < (this.#flows + 1) * 3 && this.#log2 < this.#largest) this.#log2 += 1;
    this.#table = 1 - this.#table;
    this.#taken = 0;
    this.#flows = 0;
    this.#index.fill(INDEX_VACANT, this.#start(), this.#start() + 2 ** this.#log2 * INDEX_WORDS);
    for (let entry = 0; entry < entries; entry++) {
      const slot = this.#index[from + entry * INDEX_WORDS] ?? 0;
      if (slot > 0) this.#insert(slot - 1);
    }
    this.#publish();
  }

  #publish(): void {
    Atomics.store(this.#control, CONTROL_INDEX, (this.#table << 5) | this.#log2);
  }

  #start(): number {
    return this.#table === 0 ? 0 : this.#index.length / 2;
  }

  #hash(slot: number): number {
    const at = slot * SLOT_WORDS;
    const slots = this.#slots;
    const sender = hashSender(this.#seed, slots[at + SLOT_SOCKET] ?? 0, slots, at + SLOT_SENDER);
    return hashFlow(sender, slots[at + SLOT_KIND] ?? 0, slots[at + SLOT_VALUE] ?? 0);
  }
}

/** log2 of the entries to begin with. */
const SMALLEST = 10;
