import type { Flow, FlowCounters } from '../../flow/flow.ts';
import type { Idler } from '../../flow/idle-wheel.ts';
import { isWildcard } from '../../net/address.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import { KernelBuckets } from './kernel-buckets.ts';
import type { KernelMaps } from './kernel-maps.ts';
import {
  copyWritten,
  FLOW_BYTES,
  FLOW_MAPS,
  FLOW_OFFSETS,
  type FlowMapName,
  flowKey,
  flowValue,
  isSameRewrite,
  readFlow,
} from './layout.ts';

/** Why a flow is not in the kernel; its packets go through userspace. */
export type InstallFailure = 'fractional-limit' | 'bucket-refused' | 'map-full' | 'refused' | 'no-source';

/** A flow of this engine, in the kernel or, where that was refused, not. `slot` belongs to whoever keeps it in an IdleWheel. */
export interface KernelFlow extends Idler {
  readonly flow: Flow;
  readonly map: FlowMapName;
  readonly key: Buffer;
  inKernel: boolean;
}

export interface KernelFlowsOptions {
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly now: () => number;
  /** Hears of each flow that was removed or replaced. */
  readonly forgotten?: (entry: KernelFlow) => void;
  /** Until removeUnknown() a flow that is found with the same rewrite keeps what it has counted. */
  readonly adopts?: boolean;
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
  /** Refused by the kernel, which may take them yet; who was tried longest ago first. */
  readonly #waiting = new Set<KernelFlow>();
  readonly #value: Buffer = Buffer.alloc(FLOW_BYTES);
  /** Flows of an earlier process are in the maps, and have carried packets that count. */
  #adopts: boolean;

  constructor(maps: KernelMaps, options: KernelFlowsOptions) {
    this.#maps = maps;
    this.#adopts = options.adopts ?? false;
    this.#buckets = new KernelBuckets(maps.buckets, options.now, this.#adopts);
    this.#forgotten = options.forgotten ?? (() => undefined);
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
    if (failure !== undefined && failure !== 'fractional-limit') this.#waiting.add(entry);
    return failure;
  }

  /** Offers flows that were refused once more, `most` at a time, none to a map that is full. Returns those that the kernel took. */
  retry(most: number, sourceOf: (flow: Flow) => string | undefined): KernelFlow[] {
    const taken: KernelFlow[] = [];
    const full = new Set<FlowMapName>();
    for (const entry of [...this.#waiting].slice(0, most)) {
      const { flow, map, key } = entry;
      if (full.has(map)) continue;
      this.#waiting.delete(entry);
      const failure = this.#install(flow, map, key, sourceOf(flow));
      if (failure === undefined) {
        entry.inKernel = true;
        taken.push(entry);
      } else {
        this.#waiting.add(entry);
        if (failure === 'map-full') full.add(map);
      }
    }
    return taken;
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
    this.#adopts = false;
    let removed = 0;
    for (const name of FLOW_MAPS) {
      const map = this.#maps.flows[name];
      const isUnknown = (key: Buffer): boolean => this.#byKey.get(keyName(name, key))?.inKernel !== true;
      for (const key of map.keys(isUnknown)) if (map.delete(key)) removed += 1;
    }
    this.#buckets.removeUnknown();
    return removed;
  }

  #install(flow: Flow, map: FlowMapName, key: Buffer, source: string | undefined): InstallFailure | undefined {
    if (source === undefined) return 'no-source';
    const failure = flow.limit === undefined ? undefined : this.#buckets.hold(flow.limit);
    if (failure !== undefined) return failure;
    const value = flowValue(flow, source, this.#buckets.idOf(flow.limit));
    if (this.#adopts && this.#maps.flows[map].lookup(key, this.#value)) this.#takeOver(flow, value, this.#value);
    const error = this.#maps.flows[map].update(key, value);
    if (error === undefined) return undefined;
    if (flow.limit !== undefined) this.#buckets.release(flow.limit);
    return error.code === 'E2BIG' ? 'map-full' : 'refused';
  }

  /** Whom a client of a wildcard listener asked the process before knew; the answers go on to come from there. */
  #takeOver({ rewrite }: Flow, value: Buffer, found: Buffer): void {
    if (isWildcard(rewrite.local.address)) {
      const own = rewrite.remote.family === 4 ? this.#maps.own4 : this.#maps.own6;
      const source = found.subarray(FLOW_OFFSETS.local, FLOW_OFFSETS.local + own.keyBytes);
      if (own.lookup(source, Buffer.alloc(own.valueBytes))) value.set(source, FLOW_OFFSETS.local);
    }
    if (isSameRewrite(value, found)) copyWritten(found, value);
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
    this.#waiting.delete(entry);
    if (entry.inKernel && flow.limit !== undefined) this.#buckets.release(flow.limit);
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
