import { SLOT_PLACE, SLOT_TOUCHED, SLOT_WORDS } from './layout.ts';

/**
 * The datagrams of a batch that flows took, in a chain for each flow and in the order in which they came: trains are made of
 * neighbours, also where the flows of many clients were interleaved.
 */
export class Segments {
  count = 0;
  flows = 0;
  readonly offset: Int32Array = new Int32Array(MOST_SEGMENTS);
  readonly length: Int32Array = new Int32Array(MOST_SEGMENTS);
  /** Which message of the batch it came in, for who sent it. */
  readonly message: Int32Array = new Int32Array(MOST_SEGMENTS);
  /** The next of the same flow, −1 behind the last. */
  readonly next: Int32Array = new Int32Array(MOST_SEGMENTS);
  readonly slot: Int32Array = new Int32Array(MOST_SEGMENTS);
  readonly generation: Int32Array = new Int32Array(MOST_SEGMENTS);
  readonly first: Int32Array = new Int32Array(MOST_SEGMENTS);
  readonly #last: Int32Array = new Int32Array(MOST_SEGMENTS);
  readonly #slots: Int32Array;

  constructor(slots: Int32Array) {
    this.#slots = slots;
  }

  get room(): number {
    return MOST_SEGMENTS - this.count;
  }

  /** Marks the flow with the worker's epoch, before anybody looks whether it is alive. */
  add(slot: number, generation: number, epoch: number, offset: number, length: number, message: number): void {
    const n = this.count++;
    this.offset[n] = offset;
    this.length[n] = length;
    this.message[n] = message;
    this.next[n] = -1;
    const at = slot * SLOT_WORDS;
    const place = this.#slots[at + SLOT_PLACE] ?? 0;
    // A slot may have come to another flow in this batch, hence the generation.
    if (
      this.#slots[at + SLOT_TOUCHED] === epoch &&
      place < this.flows &&
      this.slot[place] === slot &&
      this.generation[place] === generation
    ) {
      this.next[this.#last[place] ?? 0] = n;
      this.#last[place] = n;
      return;
    }
    const flow = this.flows++;
    this.#slots[at + SLOT_TOUCHED] = epoch;
    this.#slots[at + SLOT_PLACE] = flow;
    this.slot[flow] = slot;
    this.generation[flow] = generation;
    this.first[flow] = n;
    this.#last[flow] = n;
  }

  clear(): void {
    this.count = 0;
    this.flows = 0;
  }
}

/** More than any read brings: 64 messages of 64 datagrams, on top of those that end a batch. */
export const MOST_SEGMENTS = 16_384;
