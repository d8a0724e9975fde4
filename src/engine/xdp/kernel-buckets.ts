import type { RateLimit } from '../../flow/flow.ts';
import type { BucketId } from '../../net/ids.ts';
import { type BpfMap, LOCKED } from '../../sys/libbpf/map.ts';
import { BUCKET_BYTES, BUCKET_OFFSETS, bucketValue, readNumber, uint64Key } from './layout.ts';

/** Token buckets in the kernel, each for as long as a flow names it. */
export class KernelBuckets {
  readonly #map: BpfMap;
  readonly #now: () => number;
  readonly #users = new Map<BucketId, number>();
  /** Ids are of one process: ours come behind those that flows of an earlier one still name. */
  #base: number | undefined;

  /** `now`: milliseconds of CLOCK_MONOTONIC. `adopts`: buckets of an earlier process may be there. */
  constructor(map: BpfMap, now: () => number, adopts: boolean) {
    this.#map = map;
    this.#now = now;
    this.#base = adopts ? undefined : 0;
  }

  /** Whoever comes later may change the limits; what was spent stays spent, but for what is spent while this is written. */
  hold(limit: RateLimit): 'fractional-limit' | 'bucket-refused' | undefined {
    if (!Number.isSafeInteger(limit.bytesPerSecond) || !Number.isSafeInteger(limit.burst * 1000)) {
      return 'fractional-limit';
    }
    const users = this.#users.get(limit.bucket) ?? 0;
    const key = uint64Key(this.idOf(limit));
    const wanted = bucketValue(limit, this.#now());
    const present = Buffer.alloc(BUCKET_BYTES);
    const adjusts = users > 0 && this.#map.lookup(key, present);
    if (adjusts) keepSpent(wanted, present);
    if (!adjusts || !sameLimits(wanted, present)) {
      if (this.#map.update(key, wanted, adjusts ? LOCKED : 0) !== undefined) return 'bucket-refused';
    }
    this.#users.set(limit.bucket, users + 1);
    return undefined;
  }

  release(limit: RateLimit): void {
    const users = (this.#users.get(limit.bucket) ?? 0) - 1;
    if (users > 0) {
      this.#users.set(limit.bucket, users);
    } else {
      this.#users.delete(limit.bucket);
      this.#map.delete(uint64Key(this.idOf(limit)));
    }
  }

  /** How the kernel knows it; 0 for none. */
  idOf(limit: RateLimit | undefined): number {
    if (limit === undefined) return 0;
    this.#base ??= this.#last();
    return this.#base + limit.bucket;
  }

  /** Those that an earlier process left. */
  removeUnknown(): void {
    const base = this.#base ?? 0;
    const isUnknown = (key: Buffer): boolean => !this.#users.has((readNumber(key, 0) - base) as BucketId);
    for (const key of this.#map.keys(isUnknown)) this.#map.delete(key);
  }

  #last(): number {
    let last = 0;
    this.#map.keys((key) => {
      last = Math.max(last, readNumber(key, 0));
      return false;
    });
    return last;
  }
}

function keepSpent(wanted: Buffer, present: Buffer): void {
  const { depth, level, updated, full_after: end } = BUCKET_OFFSETS;
  wanted.writeBigUInt64LE(BigInt(Math.min(readNumber(wanted, depth), readNumber(present, level))), level);
  present.copy(wanted, updated, updated, end);
}

function sameLimits(a: Buffer, b: Buffer): boolean {
  const { rate, level } = BUCKET_OFFSETS;
  return a.subarray(rate, level).equals(b.subarray(rate, level));
}
