import type { Flow, FlowCounters } from '../../flow/flow.ts';
import type { BucketId, FlowId } from '../../net/ids.ts';
import type { SystemError } from '../../sys/errno.ts';
import { LOCKED } from '../../sys/libbpf/map.ts';
import type { KernelMaps } from './kernel-maps.ts';
import {
  BUCKET_BYTES,
  BUCKET_OFFSETS,
  bucketValue,
  FLOW_BYTES,
  type FlowMapName,
  flowKey,
  flowValue,
  readFlow,
  readNumber,
  uint64Key,
} from './layout.ts';

/** Why a flow is not in the kernel; its packets go through userspace. */
export type InstallFailure = 'fractional-limit' | 'bucket-refused' | 'map-full' | 'refused';

/**
 * Flows in the kernel, and the buckets that they name.
 *
 * A bucket is there before the flow that needs it, and longer: a packet never meets a flow whose bucket is missing.
 */
export class KernelFlows {
  readonly #maps: KernelMaps;
  /** Milliseconds of CLOCK_MONOTONIC, for new buckets. */
  readonly #now: () => number;
  readonly #installed = new Map<FlowId, InstalledInKernel>();
  /** By match; the key of a look-up is text, which costs less than the system call beside it. */
  readonly #byKey = new Map<string, InstalledInKernel>();
  readonly #bucketUsers = new Map<BucketId, number>();
  readonly #value: Buffer = Buffer.alloc(FLOW_BYTES);

  constructor(maps: KernelMaps, now: () => number) {
    this.#maps = maps;
    this.#now = now;
  }

  get size(): number {
    return this.#installed.size;
  }

  /** Replaces the flow with the same match. After a failure neither of the two is in the kernel. `source`: see flowValue. */
  add(flow: Flow, source: string): InstallFailure | undefined {
    const { map, key } = flowKey(flow);
    const name = keyName(map, key);
    const older = this.#byKey.get(name);
    const failure = this.#holdBucket(flow) ?? this.#write(flow, map, key, source);
    if (older !== undefined) {
      if (failure !== undefined) this.#maps.flows[map].delete(key);
      this.#forget(older);
    }
    if (failure !== undefined) return failure;
    const entry: InstalledInKernel = { flow, map, key };
    this.#installed.set(flow.id, entry);
    this.#byKey.set(name, entry);
    return undefined;
  }

  /** Final counters (`lastSeen` in nanoseconds of CLOCK_MONOTONIC); undefined when it is not there. */
  remove(id: FlowId): FlowCounters | undefined {
    const entry = this.#installed.get(id);
    if (entry === undefined) return undefined;
    // Read after it is gone would be better; a packet in between is missing from the counters of its flow, not from those of its service.
    const counters = this.counters(id);
    this.#maps.flows[entry.map].delete(entry.key);
    this.#forget(entry);
    return counters;
  }

  counters(id: FlowId): FlowCounters | undefined {
    const entry = this.#installed.get(id);
    if (entry === undefined || !this.#maps.flows[entry.map].lookup(entry.key, this.#value)) return undefined;
    return readFlow(this.#value).counters;
  }

  #write(flow: Flow, map: FlowMapName, key: Buffer, source: string): InstallFailure | undefined {
    const error = this.#maps.flows[map].update(key, flowValue(flow, source));
    if (error === undefined) return undefined;
    this.#releaseBucket(flow);
    return failureOf(error);
  }

  #forget(entry: InstalledInKernel): void {
    this.#installed.delete(entry.flow.id);
    const name = keyName(entry.map, entry.key);
    if (this.#byKey.get(name) === entry) this.#byKey.delete(name);
    this.#releaseBucket(entry.flow);
  }

  /** Whoever comes later may change the limits; what was spent stays spent, but for what is spent while this is written. */
  #holdBucket({ limit }: Flow): InstallFailure | undefined {
    if (limit === undefined) return undefined;
    if (!Number.isSafeInteger(limit.bytesPerSecond) || !Number.isSafeInteger(limit.burst * 1000)) {
      return 'fractional-limit';
    }
    const users = this.#bucketUsers.get(limit.bucket) ?? 0;
    const key = uint64Key(limit.bucket);
    const value = bucketValue(limit, this.#now());
    const current = Buffer.alloc(BUCKET_BYTES);
    if (users > 0 && this.#maps.buckets.lookup(key, current)) {
      const depth = readNumber(value, BUCKET_OFFSETS.depth);
      const level = Math.min(depth, readNumber(current, BUCKET_OFFSETS.level));
      value.writeBigUInt64LE(BigInt(level), BUCKET_OFFSETS.level);
      current.copy(value, BUCKET_OFFSETS.updated, BUCKET_OFFSETS.updated, BUCKET_OFFSETS.updated + 8);
      if (sameLimits(current, value)) {
        this.#bucketUsers.set(limit.bucket, users + 1);
        return undefined;
      }
    }
    const error = this.#maps.buckets.update(key, value, users > 0 ? LOCKED : 0);
    if (error !== undefined) return 'bucket-refused';
    this.#bucketUsers.set(limit.bucket, users + 1);
    return undefined;
  }

  #releaseBucket({ limit }: Flow): void {
    if (limit === undefined) return;
    const users = (this.#bucketUsers.get(limit.bucket) ?? 0) - 1;
    if (users > 0) {
      this.#bucketUsers.set(limit.bucket, users);
    } else {
      this.#bucketUsers.delete(limit.bucket);
      this.#maps.buckets.delete(uint64Key(limit.bucket));
    }
  }
}

interface InstalledInKernel {
  readonly flow: Flow;
  readonly map: FlowMapName;
  readonly key: Buffer;
}

function keyName(map: FlowMapName, key: Buffer): string {
  return `${map}${key.toString('latin1')}`;
}

function failureOf(error: SystemError): InstallFailure {
  return error.code === 'E2BIG' ? 'map-full' : 'refused';
}

function sameLimits(a: Buffer, b: Buffer): boolean {
  return a
    .subarray(BUCKET_OFFSETS.rate, BUCKET_OFFSETS.level)
    .equals(b.subarray(BUCKET_OFFSETS.rate, BUCKET_OFFSETS.level));
}
