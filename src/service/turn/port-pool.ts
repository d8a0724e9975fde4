import type { RandomBytes } from '../../net/random.ts';
import { UniformSource } from '../uniform.ts';

/**
 * The free ports of one relayed address. Every operation is O(1), however full the pool is; the order is unpredictable (RFC 8656 §7.2).
 *
 * Three sets hold what can be drawn: free even ports, free odd ports, and pairs (even, even + 1) of which both are free. A draw is one
 * random index into one of them, so that neither a nearly empty pool nor EVEN-PORT ever searches. Numbers in the sets are half ports
 * (port >> 1), relative to the range. 16,384 ports take 96 KiB.
 */
export class PortPool {
  readonly #min: number;
  readonly #max: number;
  readonly #firstHalf: number;
  readonly #evens: IndexSet;
  readonly #odds: IndexSet;
  readonly #pairs: IndexSet;
  readonly #uniform: UniformSource;

  /** `min` and `max` are inclusive. */
  constructor(min: number, max: number, random: RandomBytes) {
    if (!isPort(min) || !isPort(max) || min > max)
      throw new PortPoolError('PORT_RANGE', `no port range: ${min}-${max}`);
    this.#min = min;
    this.#max = max;
    this.#firstHalf = min >> 1;
    const halves = (max >> 1) - this.#firstHalf + 1;
    this.#evens = new IndexSet(halves);
    this.#odds = new IndexSet(halves);
    this.#pairs = new IndexSet(halves);
    this.#uniform = new UniformSource(random);
    for (let port = min; port <= max; port++) this.#put(port);
  }

  get free(): number {
    return this.#evens.size + this.#odds.size;
  }

  take(): number | undefined {
    const free = this.free;
    if (free === 0) return undefined;
    const drawn = this.#uniform.below(free);
    const port =
      drawn < this.#evens.size
        ? this.#portOf(this.#evens.at(drawn), 0)
        : this.#portOf(this.#odds.at(drawn - this.#evens.size), 1);
    this.#remove(port);
    return port;
  }

  /** An even port; with `reserveNext` one whose successor is free too, which is then taken as well (the caller releases both). */
  takeEven(reserveNext: boolean): number | undefined {
    const candidates = reserveNext ? this.#pairs : this.#evens;
    if (candidates.size === 0) return undefined;
    const port = this.#portOf(candidates.at(this.#uniform.below(candidates.size)), 0);
    this.#remove(port);
    if (reserveNext) this.#remove(port + 1);
    return port;
  }

  /** A given port, for restore(); false when it is not free or not ours. */
  takeThis(port: number): boolean {
    if (!this.#owns(port) || !this.#isFree(port)) return false;
    this.#remove(port);
    return true;
  }

  /** Gives a port back that one of the take methods gave out. Anything else is a mistake of the caller and throws. */
  release(port: number): void {
    if (!this.#owns(port)) throw new PortPoolError('PORT_FOREIGN', `port ${port} is not of this pool`);
    if (this.#isFree(port)) throw new PortPoolError('PORT_FREE', `port ${port} is free already`);
    this.#put(port);
  }

  #put(port: number): void {
    const half = this.#halfOf(port);
    this.#sideOf(port).add(half);
    if (this.#evens.has(half) && this.#odds.has(half)) this.#pairs.add(half);
  }

  #remove(port: number): void {
    const half = this.#halfOf(port);
    this.#sideOf(port).delete(half);
    this.#pairs.delete(half);
  }

  #isFree(port: number): boolean {
    return this.#sideOf(port).has(this.#halfOf(port));
  }

  #owns(port: number): boolean {
    return Number.isInteger(port) && port >= this.#min && port <= this.#max;
  }

  #sideOf(port: number): IndexSet {
    return (port & 1) === 0 ? this.#evens : this.#odds;
  }

  #halfOf(port: number): number {
    return (port >> 1) - this.#firstHalf;
  }

  #portOf(half: number, parity: 0 | 1): number {
    return ((half + this.#firstHalf) << 1) | parity;
  }
}

/** Misuse of a pool: a range that is none, or a port given back that was not taken. */
export class PortPoolError extends Error {
  override readonly name = 'PortPoolError';
  readonly code: 'PORT_RANGE' | 'PORT_FOREIGN' | 'PORT_FREE';

  constructor(code: PortPoolError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** A set of numbers 0 to capacity - 1 (at most 32,768) with O(1) add, delete, has and access by rank. */
class IndexSet {
  /** The members, in the first `size` places. */
  readonly #members: Uint16Array;
  /** Number → its place among the members. May be out of date for a number that is no member: has() looks at both arrays. */
  readonly #places: Uint16Array;
  size = 0;

  constructor(capacity: number) {
    this.#members = new Uint16Array(capacity);
    this.#places = new Uint16Array(capacity);
  }

  has(number: number): boolean {
    const place = this.#places[number] ?? this.size;
    return place < this.size && this.#members[place] === number;
  }

  add(number: number): void {
    if (this.has(number)) return;
    this.#members[this.size] = number;
    this.#places[number] = this.size++;
  }

  delete(number: number): void {
    if (!this.has(number)) return;
    const place = this.#places[number] ?? 0;
    const last = this.at(--this.size);
    this.#members[place] = last;
    this.#places[last] = place;
  }

  at(rank: number): number {
    return this.#members[rank] ?? 0;
  }
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 0xffff;
}
