/** What a credential that proved itself is remembered by. */
export interface CachedKey {
  readonly key: Uint8Array;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  readonly user: string;
}

/**
 * Keeps at most `capacity` keys, in two generations: when the young one is half the capacity it becomes the old one, and what the old
 * one held and nobody asked for is forgotten. Nearly a least-recently-used order, at the price of a map lookup.
 */
export class KeyCache {
  readonly #generationSize: number;
  #young = new Map<string, CachedKey>();
  #old = new Map<string, CachedKey>();

  constructor(capacity: number) {
    this.#generationSize = Math.max(1, capacity >> 1);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(name: string): CachedKey | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) {
      this.#old.delete(name);
      this.set(name, old);
    }
    return old;
  }

  set(name: string, key: CachedKey): void {
    this.#young.set(name, key);
    if (this.#young.size < this.#generationSize) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
