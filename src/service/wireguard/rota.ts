/**
 * Members at places that stay as long as they are here, so that each who goes round may keep a place of his own: were there one for all,
 * two who take turns would each be shown the same half for ever. When one leaves, the last takes his place.
 */
export class Rota<T> {
  readonly #members: T[] = [];
  /** Least recently added or renewed first. */
  readonly #places = new Map<T, number>();

  get size(): number {
    return this.#members.length;
  }

  get oldest(): T | undefined {
    const [oldest] = this.#places.keys();
    return oldest;
  }

  has(member: T): boolean {
    return this.#places.has(member);
  }

  /** Whoever is here already becomes the youngest, and stays where he is. */
  add(member: T): void {
    const place = this.#places.get(member);
    this.#places.delete(member);
    this.#places.set(member, place ?? this.#members.push(member) - 1);
  }

  delete(member: T): void {
    const place = this.#places.get(member);
    const last = this.#members.at(-1);
    if (place === undefined || last === undefined) return;
    this.#members[place] = last;
    this.#places.set(last, place);
    this.#members.pop();
    this.#places.delete(member);
  }

  /** Round and round: any number is a place. */
  at(place: number): T | undefined {
    return this.#members[place % this.#members.length];
  }

  /** 0 for whoever is not here. */
  placeOf(member: T): number {
    return this.#places.get(member) ?? 0;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#places.keys();
  }
}
