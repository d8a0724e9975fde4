/** Counts by name. Names are few and fixed: they become label values of a metric. */
export class Counter<Name extends string> {
  readonly #counts = new Map<Name, number>();

  add(name: Name, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  get(name: Name): number {
    return this.#counts.get(name) ?? 0;
  }

  entries(): IterableIterator<[Name, number]> {
    return this.#counts.entries();
  }
}
