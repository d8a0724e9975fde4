import type { RandomBytes } from '../net/random.ts';

const BATCH_BYTES = 256;
const WORD_BYTES = 4;
const WORDS = 2 ** 32;

/** Evenly distributed whole numbers from random bytes, which are fetched in batches: a call into the CSPRNG costs more than a number. */
export class UniformSource {
  readonly #random: RandomBytes;
  #batch: DataView = new DataView(new ArrayBuffer(0));
  #used = 0;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** 0 to bound - 1; `bound` is 1 to 2^32. */
  below(bound: number): number {
    // Words beyond the last whole multiple of the bound would favour small numbers: draw again.
    const fair = WORDS - (WORDS % bound);
    let word = this.#word();
    while (word >= fair) word = this.#word();
    return word % bound;
  }

  #word(): number {
    if (this.#used + WORD_BYTES > this.#batch.byteLength) {
      const bytes = this.#random(BATCH_BYTES);
      this.#batch = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#used = 0;
    }
    const word = this.#batch.getUint32(this.#used);
    this.#used += WORD_BYTES;
    return word;
  }
}
