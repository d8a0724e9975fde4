/**
 * A map from numbers that nearly always holds one entry: the first lies inline, a Map comes only with the second.
 * A client has one port and one channel far more often than several, and an empty Map alone weighs some 200 bytes.
 */
export class FewMap<T> {
  #key = VACANT;
  #value: T | undefined = undefined;
  #others: Map<number, T> | undefined = undefined;

  get size(): number {
    return (this.#key === VACANT ? 0 : 1) + (this.#others?.size ?? 0);
  }

  get(key: number): T | undefined {
    return key === this.#key ? this.#value : this.#others?.get(key);
  }

  /** Keys are not negative. */
  set(key: number, value: T): void {
    if (key === this.#key || (this.#key === VACANT && !this.#others?.has(key))) {
      this.#key = key;
      this.#value = value;
      return;
    }
    this.#others ??= new Map();
    this.#others.set(key, value);
  }

  delete(key: number): void {
    if (key === this.#key) {
      this.#key = VACANT;
      this.#value = undefined;
    } else {
      this.#others?.delete(key);
      if (this.#others?.size === 0) this.#others = undefined;
    }
  }
}

const VACANT = -1;
