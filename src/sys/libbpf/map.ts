import type { SystemError } from '../errno.ts';
import { bpfChecked, bpfError, type Libbpf, requiredLibbpf } from './library.ts';

/** One map in the kernel. The descriptor belongs to whoever made it: its BpfObject, or the caller of `of`. */
export class BpfMap {
  readonly #libbpf: Libbpf;
  readonly fd: number;
  readonly type: number;
  readonly keyBytes: number;
  /** Of one value; a look-up in a map per processor gives `lookupBytes`, one value for each. */
  readonly valueBytes: number;
  readonly lookupBytes: number;
  readonly maxEntries: number;

  private constructor(libbpf: Libbpf, fd: number, info: MapInfo) {
    this.#libbpf = libbpf;
    this.fd = fd;
    this.type = info.type;
    this.keyBytes = info.keyBytes;
    this.valueBytes = info.valueBytes;
    this.lookupBytes = PER_CPU_TYPES.has(info.type)
      ? roundedUp(info.valueBytes) * bpfChecked('libbpf_num_possible_cpus', libbpf.libbpf_num_possible_cpus())
      : info.valueBytes;
    this.maxEntries = info.maxEntries;
  }

  static of(fd: number): BpfMap {
    const libbpf = requiredLibbpf();
    return new BpfMap(libbpf, bpfChecked('bpf_map__fd', fd), mapInfo(libbpf, fd));
  }

  /** The value into `value`, of `lookupBytes`; false when there is none. Throws SystemError. */
  lookup(key: Uint8Array, value: Uint8Array): boolean {
    const error = bpfError('bpf_map_lookup_elem', this.#libbpf.bpf_map_lookup_elem(this.fd, key, value));
    if (error === undefined) return true;
    if (error.code === 'ENOENT') return false;
    throw error;
  }

  /** Why it could not be: E2BIG when the map is full, ENOMEM, EEXIST or ENOENT when `flags` ask for it. */
  update(key: Uint8Array, value: Uint8Array, flags: number = ANY): SystemError | undefined {
    return bpfError('bpf_map_update_elem', this.#libbpf.bpf_map_update_elem(this.fd, key, value, flags));
  }

  /** Whether it was there. Throws SystemError. */
  delete(key: Uint8Array): boolean {
    const error = bpfError('bpf_map_delete_elem', this.#libbpf.bpf_map_delete_elem(this.fd, key));
    if (error === undefined) return true;
    if (error.code === 'ENOENT') return false;
    throw error;
  }

  /** `count` entries, keys and values each one behind the other. Those before the one that failed are in. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): { done: number; error: SystemError | undefined } {
    const counter = uint32(count);
    const result = this.#libbpf.bpf_map_update_batch(this.fd, keys, values, counter, BATCH_OPTIONS);
    const error = bpfError('bpf_map_update_batch', result);
    return { done: error === undefined ? count : counter.readUInt32LE(), error };
  }

  deleteBatch(keys: Uint8Array, count: number): { done: number; error: SystemError | undefined } {
    const counter = uint32(count);
    const result = this.#libbpf.bpf_map_delete_batch(this.fd, keys, counter, BATCH_OPTIONS);
    const error = bpfError('bpf_map_delete_batch', result);
    return { done: error === undefined ? count : counter.readUInt32LE(), error };
  }

  /** Keys, as `batches` has them: all, or those that are wanted. */
  keys(isWanted: (key: Buffer) => boolean = () => true): Buffer[] {
    const found: Buffer[] = [];
    for (const { keys, count } of this.batches()) {
      for (let at = 0; at < count * this.keyBytes; at += this.keyBytes) {
        const key = keys.subarray(at, at + this.keyBytes);
        if (isWanted(key)) found.push(Buffer.from(key));
      }
    }
    return found;
  }

  /**
   * Everything in the map, some thousands at a time; the buffers are good until the next turn. What is added or removed meanwhile may be
   * there or not. Throws SystemError.
   */
  *batches(size: number = BATCH): Generator<MapBatch> {
    // The kernel hands out whole buckets: one that does not fit wants more room.
    let room = Math.min(size, Math.max(this.maxEntries, MIN_BATCH));
    let after: Buffer | null = null;
    let next: Buffer = Buffer.alloc(Math.max(4, this.keyBytes));
    let keys: Buffer = Buffer.alloc(room * this.keyBytes);
    let values: Buffer = Buffer.alloc(room * this.lookupBytes);
    for (;;) {
      const counter = uint32(room);
      const result = this.#libbpf.bpf_map_lookup_batch(this.fd, after, next, keys, values, counter, BATCH_OPTIONS);
      const error = bpfError('bpf_map_lookup_batch', result);
      const count = counter.readUInt32LE();
      if (error?.code === 'ENOSPC' && count === 0) {
        room *= 2;
        keys = Buffer.alloc(room * this.keyBytes);
        values = Buffer.alloc(room * this.lookupBytes);
        continue;
      }
      if (error !== undefined && error.code !== 'ENOENT' && error.code !== 'ENOSPC') throw error;
      if (count > 0) yield { keys, values, count };
      if (error?.code === 'ENOENT') return;
      const spare: Buffer = after ?? Buffer.alloc(next.length);
      after = next;
      next = spare;
    }
  }
}

export interface MapBatch {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly count: number;
}

/** Flags of `update`. */
const ANY = 0;
export const ONLY_NEW = 1;
export const ONLY_OLD = 2;
/** The spin lock of the value is held meanwhile. */
export const LOCKED = 4;

interface MapInfo {
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

/** struct bpf_map_info: type, id, key_size, value_size, max_entries, each 32 bits. */
function mapInfo(libbpf: Libbpf, fd: number): MapInfo {
  const info = Buffer.alloc(80);
  bpfChecked('bpf_obj_get_info_by_fd', libbpf.bpf_obj_get_info_by_fd(fd, info, uint32(info.length)));
  return {
    type: info.readUInt32LE(0),
    keyBytes: info.readUInt32LE(8),
    valueBytes: info.readUInt32LE(12),
    maxEntries: info.readUInt32LE(16),
  };
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

/** Values of a map per processor lie at multiples of eight bytes. */
function roundedUp(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** BPF_MAP_TYPE_PERCPU_HASH, _PERCPU_ARRAY, _LRU_PERCPU_HASH. */
const PER_CPU_TYPES: ReadonlySet<number> = new Set([5, 6, 10]);
const BATCH = 4096;
const MIN_BATCH = 64;

/** struct bpf_map_batch_opts: its size, then flags for elements and for the call. */
const BATCH_OPTIONS: Buffer = Buffer.concat([Buffer.of(24), Buffer.alloc(23)]);
