import type { RateLimit } from '../../flow/flow.ts';
import type { TokenBucket } from '../../flow/token-bucket.ts';
import type { Millis } from '../../net/time.ts';
import {
  BUCKET_DEPTH,
  BUCKET_DOUBLES,
  BUCKET_LEVEL,
  BUCKET_LOCK,
  BUCKET_RATE,
  BUCKET_UPDATED,
  type SharedMemory,
} from './layout.ts';
import { Vacancies } from './vacancies.ts';

/** The main thread's side of the buckets in shared memory; which flows share one is FlowTable's to know. */
export class SharedBuckets {
  readonly #words: BucketMemory;
  readonly #places = new Map<TokenBucket, number>();
  readonly #vacancies: Vacancies;

  constructor(memory: SharedMemory) {
    this.#words = new BucketMemory(memory);
    this.#vacancies = new Vacancies(this.#words.most);
  }

  /** Where the bucket is; a new one is full. A known one takes the limit over, and what has been spent stays spent. */
  hold(bucket: TokenBucket, limit: RateLimit, now: Millis): number {
    const known = this.#places.get(bucket);
    const place = known ?? this.#vacancies.take();
    // There are as many as flows.
    if (place === undefined) throw new Error('no place for a bucket');
    this.#places.set(bucket, place);
    this.#words.set(place, limit, known === undefined ? now : undefined);
    return place;
  }

  release(bucket: TokenBucket): void {
    const place = this.#places.get(bucket);
    if (place === undefined) return;
    this.#places.delete(bucket);
    this.#vacancies.give(place);
  }
}

/** Buckets as all threads see them. It does what flow/token-bucket.ts does, under a lock that is held for some ten instructions. */
export class BucketMemory {
  readonly most: number;
  readonly #doubles: Float64Array;
  readonly #words: Int32Array;

  constructor({ buckets }: SharedMemory) {
    this.#doubles = new Float64Array(buckets);
    this.#words = new Int32Array(buckets);
    this.most = Math.floor(this.#doubles.length / BUCKET_DOUBLES);
  }

  /** `full`: it is new at this time. */
  set(place: number, { bytesPerSecond, burst }: RateLimit, full: Millis | undefined): void {
    const at = place * BUCKET_DOUBLES;
    const doubles = this.#doubles;
    this.#lock(at);
    const depth = burst * PER_BYTE;
    doubles[at + BUCKET_RATE] = bytesPerSecond;
    doubles[at + BUCKET_DEPTH] = depth;
    doubles[at + BUCKET_LEVEL] = full === undefined ? Math.min(doubles[at + BUCKET_LEVEL] ?? 0, depth) : depth;
    if (full !== undefined) doubles[at + BUCKET_UPDATED] = full;
    this.#unlock(at);
  }

  /** Takes `bytes` out, or nothing when there is not enough. */
  take(place: number, bytes: number, now: Millis): boolean {
    const at = place * BUCKET_DOUBLES;
    const doubles = this.#doubles;
    this.#lock(at);
    let level = doubles[at + BUCKET_LEVEL] ?? 0;
    const updated = doubles[at + BUCKET_UPDATED] ?? 0;
    if (now > updated) {
      const refill = (now - updated) * (doubles[at + BUCKET_RATE] ?? 0);
      level = Math.min(doubles[at + BUCKET_DEPTH] ?? 0, level + refill);
      doubles[at + BUCKET_UPDATED] = now;
    }
    const cost = bytes * PER_BYTE;
    const enough = cost <= level;
    doubles[at + BUCKET_LEVEL] = enough ? level - cost : level;
    this.#unlock(at);
    return enough;
  }

  #lock(at: number): void {
    const lock = (at + BUCKET_LOCK) * 2;
    // A thread that died inside must not stop the others: after a time that no living one needs, the lock is taken from it.
    for (let turns = 0; Atomics.compareExchange(this.#words, lock, 0, 1) !== 0 && turns < MOST_TURNS; turns++);
  }

  #unlock(at: number): void {
    Atomics.store(this.#words, (at + BUCKET_LOCK) * 2, 0);
  }
}

/** rate [byte/s] × elapsed [ms] = thousandths of a byte, as in flow/token-bucket.ts. */
const PER_BYTE = 1000;
/** Tens of milliseconds. */
const MOST_TURNS = 1_000_000;
