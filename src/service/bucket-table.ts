import { type Millis, SECOND } from '../net/time.ts';

/** Four 32-bit words, unsigned: an address or a prefix. */
export type SourceKey = [number, number, number, number];

const WAYS = 8;
const KEY_WORDS = 4;
const NEVER: Millis = -1;

/**
 * Token buckets in a table of fixed size: sets of eight slots; a key lives in the set that its hash names, and the least recently seen
 * of the set gives way. So memory is laid out once (28 bytes a slot) and a flood of spoofed sources moves nothing but numbers.
 *
 * A key that takes over a slot takes over its tokens as well. With a full bucket for each newcomer, eight spoofed packets would make the
 * table forget what a victim has had, and its budget would begin anew. The hash has a seed, so that nobody can choose who shares a set.
 */
export class BucketTable {
  /** No rate, no table: every question is answered with yes. */
  readonly unlimited: boolean;
  readonly #perMilli: number;
  readonly #capacity: number;
  readonly #ways: number;
  readonly #sets: number;
  readonly #seed: number;
  /** Laid out for the first source that is asked for. Zero is a full bucket that nobody has asked for. */
  #keys: Uint32Array = new Uint32Array(0);
  #spent: Float32Array = new Float32Array(0);
  /** Milliseconds, plus one. */
  #seen: Float64Array = new Float64Array(0);

  /** `perSecond` 0 = unlimited. At most `maxSlots` keys are remembered. `seed`: 32 random bits. */
  constructor(perSecond: number, burstSeconds: number, maxSlots: number, seed: number) {
    this.unlimited = perSecond <= 0;
    this.#perMilli = perSecond / SECOND;
    // A bucket smaller than one token would never let anything through.
    this.#capacity = Math.max(1, perSecond * burstSeconds);
    this.#ways = Math.max(1, Math.min(WAYS, maxSlots));
    this.#sets = Math.max(1, Math.floor(maxSlots / this.#ways));
    this.#seed = seed;
  }

  /** Bytes of the table; once it is laid out they do not change. */
  get byteLength(): number {
    return this.#keys.byteLength + this.#spent.byteLength + this.#seen.byteLength;
  }

  /** The slot of the key, filled up to `now`; a new key starts with what its slot holds. The slot is good until the next find(). */
  find(key: SourceKey, now: Millis): number {
    if (this.unlimited) return 0;
    if (this.#seen.length === 0) this.#layOut(this.#sets * this.#ways);
    const first = (hash(key, this.#seed) % this.#sets) * this.#ways;
    let oldest = first;
    for (let slot = first; slot < first + this.#ways; slot++) {
      if (this.#isAt(slot, key)) {
        this.#refill(slot, now);
        return slot;
      }
      if (this.#seenAt(slot) < this.#seenAt(oldest)) oldest = slot;
    }
    this.#keys.set(key, oldest * KEY_WORDS);
    this.#refill(oldest, now);
    return oldest;
  }

  holds(slot: number, tokens: number): boolean {
    return this.unlimited || this.#capacity - this.#spentAt(slot) >= tokens;
  }

  spend(slot: number, tokens: number): void {
    if (!this.unlimited) this.#spent[slot] = this.#spentAt(slot) + tokens;
  }

  earn(slot: number, tokens: number): void {
    if (!this.unlimited) this.#spent[slot] = Math.max(0, this.#spentAt(slot) - tokens);
  }

  #layOut(slots: number): void {
    this.#keys = new Uint32Array(slots * KEY_WORDS);
    this.#spent = new Float32Array(slots);
    this.#seen = new Float64Array(slots);
  }

  #refill(slot: number, now: Millis): void {
    // A clock that steps back gives nothing and takes nothing.
    const elapsed = Math.max(0, now - this.#seenAt(slot));
    this.#spent[slot] = Math.max(0, this.#spentAt(slot) - elapsed * this.#perMilli);
    this.#seen[slot] = now + 1;
  }

  #isAt(slot: number, key: SourceKey): boolean {
    const at = slot * KEY_WORDS;
    return (
      this.#keys[at + 3] === key[3] &&
      this.#keys[at + 2] === key[2] &&
      this.#keys[at + 1] === key[1] &&
      this.#keys[at] === key[0] &&
      this.#seenAt(slot) !== NEVER
    );
  }

  #spentAt(slot: number): number {
    return this.#spent[slot] ?? 0;
  }

  #seenAt(slot: number): Millis {
    return (this.#seen[slot] ?? 0) - 1;
  }
}

/** Mixes every bit of the key into every bit of the result: neighbouring addresses must not crowd one set. */
function hash(key: SourceKey, seed: number): number {
  let mixed = seed ^ 0x9e3779b9;
  for (let index = 0; index < KEY_WORDS; index++) {
    mixed = Math.imul(mixed ^ (key[index] ?? 0), 0x85ebca6b);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0xc2b2ae35);
    mixed ^= mixed >>> 13;
  }
  return mixed >>> 0;
}
