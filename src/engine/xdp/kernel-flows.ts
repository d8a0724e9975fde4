import type { Flow, FlowCounters } from '../../flow/flow.ts';
import type { Idler } from '../../flow/idle-wheel.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import { KernelBuckets } from './kernel-buckets.ts';
import type { KernelMaps } from './kernel-maps.ts';
import { FLOW_BYTES, FLOW_MAPS, type FlowMapName, flowKey, flowValue, readFlow } from './layout.ts';

/** Why a flow is not in the kernel; its packets go through userspace. */
export type InstallFailure = 'fractional-limit' | 'bucket-refused' | 'map-full' | 'refused' | 'no-source';

/** A flow of this engine, in the kernel or, where that was refused, not. `slot` belongs to whoever keeps it in an IdleWheel. */
export interface KernelFlow extends Idler {
  readonly flow: Flow;
  readonly map: FlowMapName;
  readonly key: Buffer;
  inKernel: boolean;
}

/**
 * Every flow of the engine, by id and by match, and the kernel's maps with those that it took.
 *
 * A bucket is there before the flow that needs it, and longer: a packet never meets a flow whose bucket is missing.
 */
export class KernelFlows {
  readonly #maps: KernelMaps;
  readonly #buckets: KernelBuckets;
  readonly #forgotten: (entry: KernelFlow) => void;
  readonly #flows = new Map<FlowId, KernelFlow>();
  /** The key of a look-up is text, which costs less than the system call beside it. */
  readonly #byKey = new Map<string, KernelFlow>();
  readonly #bySocket = new Map<SocketId, Set<KernelFlow>>();
  readonly #value: Buffer = Buffer.alloc(FLOW_BYTES);

  /** `now`: milliseconds of CLOCK_MONOTONIC. `forgotten` hears of each flow that was removed or replaced. */
  constructor(maps: KernelMaps, now: () => number, forgotten: (entry: KernelFlow) => void = () => undefined) {
    this.#maps = maps;
    this.#buckets = new KernelBuckets(maps.buckets, now);
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#flows.size;
  }

  /**
   * Replaces the flow with the same match. A flow that the kernel did not take is known all the same, and the one that it replaced is out of
   * the kernel. `source`: see flowValue; undefined when no address was found.
   */
  add(flow: Flow, source: string | undefined): InstallFailure | undefined {
    const { map, key } = flowKey(flow);
    const older = this.#byKey.get(keyName(map, key));
    const failure = this.#install(flow, map, key, source);
    if (older !== undefined) {
      if (failure !== undefined && older.inKernel) this.#maps.flows[map].delete(key);
      this.#forget(older);
    }
    const entry: KernelFlow = { flow, map, key, inKernel: failure === undefined, slot: -1 };
    this.#flows.set(flow.id, entry);
    this.#byKey.set(keyName(map, key), entry);
    for (const socket of socketsOf(flow)) this.#users(socket).add(entry);
    return failure;
  }

  get(id: FlowId): KernelFlow | undefined {
    return this.#flows.get(id);
  }

  /** Those that match on a socket or send from it. */
  ofSocket(socket: SocketId): KernelFlow[] {
    return [...(this.#bySocket.get(socket) ?? [])];
  }

  /** What the kernel counted (`lastSeen` in milliseconds of CLOCK_MONOTONIC); undefined when it is not there. */
  remove(id: FlowId): FlowCounters | undefined {
    const entry = this.#flows.get(id);
    if (entry === undefined) return undefined;
    // What comes between the two calls is counted for its service, not for its flow.
    const counters = this.counters(id);
    if (entry.inKernel) this.#maps.flows[entry.map].delete(entry.key);
    this.#forget(entry);
    return counters;
  }

  counters(id: FlowId): FlowCounters | undefined {
    const entry = this.#flows.get(id);
    if (entry === undefined || !entry.inKernel) return undefined;
    return this.#maps.flows[entry.map].lookup(entry.key, this.#value) ? readFlow(this.#value).counters : undefined;
  }

  /** Removes from the kernel what is none of ours: flows that an earlier process left and that nobody asked for again. Returns how many. */
  removeUnknown(): number {
    let removed = 0;
    for (const name of FLOW_MAPS) {
      const map = this.#maps.flows[name];
      const unknown: Buffer[] = [];
      for (const { keys, count } of map.batches()) {
        for (let at = 0; at < count * map.keyBytes; at += map.keyBytes) {
          const key = keys.subarray(at, at + map.keyBytes);
          if (this.#byKey.get(keyName(name, key))?.inKernel !== true) unknown.push(Buffer.from(key));
        }
      }
      for (const key of unknown) if (map.delete(key)) removed += 1;
    }
    this.#buckets.removeUnknown();
    return removed;
  }

  #install(flow: Flow, map: FlowMapName, key: Buffer, source: string | undefined): InstallFailure | undefined {
    if (source === undefined) return 'no-source';
    const failure = flow.limit === undefined ? undefined : this.#buckets.hold(flow.limit);
    if (failure !== undefined) return failure;
    const error = this.#maps.flows[map].update(key, flowValue(flow, source));
    if (error === undefined) return undefined;
    if (flow.limit !== undefined) this.#buckets.release(flow.limit.bucket);
    return error.code === 'E2BIG' ? 'map-full' : 'refused';
  }

  #forget(entry: KernelFlow): void {
    const { flow, map, key } = entry;
    this.#flows.delete(flow.id);
    if (this.#byKey.get(keyName(map, key)) === entry) this.#byKey.delete(keyName(map, key));
    for (const socket of socketsOf(flow)) {
      const users = this.#users(socket);
      users.delete(entry);
      if (users.size === 0) this.#bySocket.delete(socket);
    }
    if (entry.inKernel && flow.limit !== undefined) this.#buckets.release(flow.limit.bucket);
    this.#forgotten(entry);
  }

  #users(socket: SocketId): Set<KernelFlow> {
    let users = this.#bySocket.get(socket);
    if (users === undefined) {
      users = new Set();
      this.#bySocket.set(socket, users);
    }
    return users;
  }
}

function socketsOf({ match, rewrite }: Flow): ReadonlySet<SocketId> {
  return new Set([match.socket, rewrite.socket]);
}

function keyName(map: FlowMapName, key: Buffer): string {
  return `${map}${key.toString('latin1')}`;
}
