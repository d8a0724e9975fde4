import type { RandomBytes } from '../../../src/net/random.ts';

/** Seeded pseudo-random numbers (Chris Doty-Humphrey's sfc32 as published): fast, and the same in every run with the same seed. */
export class Chance {
  #a: number;
  #b = 0x9e3779b9;
  #c = 0x243f6a88;
  #count = 1;

  constructor(seed: number) {
    this.#a = seed >>> 0;
    // The state needs some rounds until nearby seeds have nothing in common.
    for (let round = 0; round < 16; round++) this.word();
  }

  /** 32 bits, unsigned. */
  word(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 to bound - 1 */
  below(bound: number): number {
    return Math.floor((this.word() / 2 ** 32) * bound);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.fill(bytes, 0, length);
    return bytes;
  }

  fill(bytes: Uint8Array, from: number, to: number): void {
    for (let index = from; index < to; index++) bytes[index] = this.word() >>> 24;
  }

  /** For a service: numbers of its own, so that what the service draws does not move what the test draws. */
  static randomBytes(seed: number): RandomBytes {
    const chance = new Chance(seed);
    return (length) => chance.bytes(length);
  }
}
