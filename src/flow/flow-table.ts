import type { Endpoint } from '../net/endpoint.ts';
import type { BucketId, FlowId, SocketId } from '../net/ids.ts';
import { type Millis, SECOND } from '../net/time.ts';
import { CHANNEL_MAX_RFC5766, CHANNEL_MIN } from '../wire/turn/channel-data.ts';
import type { Direction, Flow, FlowCounters, RateLimit, ServiceName } from './flow.ts';
import { IdleWheel } from './idle-wheel.ts';
import { InstalledFlow, type Tally } from './installed-flow.ts';
import { type MissReason, SocketFlows } from './socket-flows.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * A second place where a table's flows are executed: memory shared with workers, the kernel. The table says what comes and goes, and asks
 * for what was counted there.
 */
export interface FlowMirror {
  install(entry: InstalledFlow): void;
  /** No packet is forwarded by it after the return; what was counted is in the entry. */
  remove(entry: InstalledFlow): void;
  /** Brings what is counted up to date. */
  refresh(entry: InstalledFlow): void;
}

/**
 * Flows by what they match, by id, by socket and by when they could be idle.
 *
 *    socket ─▶ remote endpoint ─▶ discriminator ─▶ InstalledFlow ─▶ bucket (shared by id)
 *                                     flow id  ─▶ ─┘    └─ slot of the idle wheel
 */
export class FlowTable {
  readonly #flows = new Map<FlowId, InstalledFlow>();
  readonly #sockets = new Map<SocketId, SocketFlows>();
  readonly #buckets = new Map<BucketId, TokenBucket>();
  readonly #tallies: Tally[] = [];
  readonly #sizes = new Map<ServiceName, number>();
  readonly #idle: IdleWheel<InstalledFlow>;
  /** Whoever hears that a flow was idle may still ask what it carried. */
  readonly #reaped = new Map<FlowId, InstalledFlow>();
  readonly #mirror: FlowMirror | undefined;

  /** `granularity`: how late an idle flow may be reaped. */
  constructor(granularity: Millis = SECOND, mirror?: FlowMirror) {
    this.#idle = new IdleWheel(granularity);
    this.#mirror = mirror;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** Installs; a flow with the same match is replaced, and its counters are gone. Throws FlowMisuse for what no service may ask. */
  add(flow: Flow, now: Millis): void {
    refuseMisuse(flow);
    const arriving = this.socket(flow.match.socket);
    const older = arriving.get(flow.match.remote, flow.match.discriminator);
    const namesake = this.#flows.get(flow.id);
    if (namesake !== undefined && namesake !== older) throw new FlowMisuse(`flow id ${flow.id} is in use`);

    // The new flow takes hold of the bucket before the older one lets go, so that a replacement does not refill it.
    const bucket = flow.limit === undefined ? undefined : this.#holdBucket(flow.limit, now);
    if (older !== undefined) this.#uninstall(older);
    const entry = new InstalledFlow(flow, bucket, this.#tally(flow.service, flow.direction));
    this.#flows.set(flow.id, entry);
    arriving.set(entry);
    arriving.users.add(entry);
    this.socket(flow.rewrite.socket).users.add(entry);
    this.#sizes.set(flow.service, (this.#sizes.get(flow.service) ?? 0) + 1);
    if (flow.idle > 0) this.#idle.set(entry, now + flow.idle);
    this.#mirror?.install(entry);
  }

  /** Final counters; undefined when there is no such flow. */
  remove(id: FlowId): FlowCounters | undefined {
    const entry = this.#flows.get(id);
    if (entry === undefined) return undefined;
    this.#uninstall(entry);
    return entry.counters();
  }

  counters(id: FlowId): FlowCounters | undefined {
    const entry = this.#flows.get(id);
    if (entry !== undefined) this.#mirror?.refresh(entry);
    return (entry ?? this.#reaped.get(id))?.counters();
  }

  /** Every installed flow; others may come and go meanwhile. */
  *all(): IterableIterator<InstalledFlow> {
    for (const entry of this.#flows.values()) {
      this.#mirror?.refresh(entry);
      yield entry;
    }
  }

  /** Which flow takes a payload that came from `remote` to a socket, or why none does. */
  find(socket: SocketId, remote: Endpoint, payload: Uint8Array): InstalledFlow | MissReason {
    return this.#sockets.get(socket)?.find(remote.address, remote.port, payload) ?? 'no-flow';
  }

  /** The flows of one socket, for an engine to keep beside it until removeSocket. */
  socket(id: SocketId): SocketFlows {
    let flows = this.#sockets.get(id);
    if (flows === undefined) {
      flows = new SocketFlows();
      this.#sockets.set(id, flows);
    }
    return flows;
  }

  /** Removes every flow that matches on this socket or sends from it. */
  removeSocket(id: SocketId): void {
    for (const entry of this.#sockets.get(id)?.users ?? []) this.#uninstall(entry);
    this.#sockets.delete(id);
  }

  /**
   * Removes the flows that had no packet for as long as they may. To be called about once per granularity; their counters can be had until
   * forgetReaped, which is to follow.
   */
  reapIdle(now: Millis): Flow[] {
    const reaped: Flow[] = [];
    for (const entry of this.#idle.takeDue(now)) {
      this.#mirror?.refresh(entry);
      const idleFrom = entry.lastSeen + entry.flow.idle;
      // Before its first packet a flow has `lastSeen` 0, and the wheel's time was its installation plus `idle`.
      if (entry.lastSeen !== 0 && idleFrom > now) {
        this.#idle.set(entry, idleFrom);
      } else {
        this.#uninstall(entry);
        this.#reaped.set(entry.flow.id, entry);
        reaped.push(entry.flow);
      }
    }
    return reaped;
  }

  forgetReaped(): void {
    this.#reaped.clear();
  }

  sizes(): ReadonlyMap<ServiceName, number> {
    return new Map(this.#sizes);
  }

  traffic(): Tally[] {
    return this.#tallies.map((tally) => ({ ...tally }));
  }

  #uninstall(entry: InstalledFlow): void {
    const { id, match, rewrite, service, limit } = entry.flow;
    this.#mirror?.remove(entry);
    this.#flows.delete(id);
    const arriving = this.socket(match.socket);
    arriving.delete(entry);
    arriving.users.delete(entry);
    this.socket(rewrite.socket).users.delete(entry);
    this.#idle.clear(entry);
    this.#sizes.set(service, (this.#sizes.get(service) ?? 0) - 1);
    if (limit !== undefined && entry.bucket !== undefined) this.#releaseBucket(limit.bucket, entry.bucket);
  }

  #holdBucket(limit: RateLimit, now: Millis): TokenBucket {
    let bucket = this.#buckets.get(limit.bucket);
    if (bucket === undefined) {
      bucket = new TokenBucket(limit, now);
      this.#buckets.set(limit.bucket, bucket);
    } else {
      bucket.adjust(limit);
    }
    bucket.users += 1;
    return bucket;
  }

  #releaseBucket(id: BucketId, bucket: TokenBucket): void {
    bucket.users -= 1;
    if (bucket.users === 0) this.#buckets.delete(id);
  }

  #tally(service: ServiceName, direction: Direction): Tally {
    let tally = this.#tallies.find((one) => one.service === service && one.direction === direction);
    if (tally === undefined) {
      tally = { service, direction, packets: 0, bytes: 0 };
      this.#tallies.push(tally);
    }
    return tally;
  }
}

export class FlowMisuse extends Error {
  override readonly name = 'FlowMisuse';
  readonly code = 'CULVERT_FLOW_MISUSE';
}

function refuseMisuse(flow: Flow): void {
  const { discriminator } = flow.match;
  const { encapsulation } = flow.rewrite;
  if (
    (discriminator.kind === 'channel' && !isChannel(discriminator.channel)) ||
    ((encapsulation.kind === 'add' || encapsulation.kind === 'replace') && !isChannel(encapsulation.channel))
  ) {
    throw new FlowMisuse(`flow ${flow.id}: a channel number is 0x4000 to 0x7FFF`);
  }
  if ((encapsulation.kind === 'strip' || encapsulation.kind === 'replace') && discriminator.kind !== 'channel') {
    throw new FlowMisuse(`flow ${flow.id}: ${encapsulation.kind} needs a channel discriminator`);
  }
  const { exceptWord } = flow.match;
  if (exceptWord !== undefined && (discriminator.kind !== 'none' || !(exceptWord >= 0 && exceptWord < 2 ** 32))) {
    throw new FlowMisuse(`flow ${flow.id}: an excepted word has 32 bits and goes with discriminator none`);
  }
  if (flow.limit !== undefined && !(flow.limit.bytesPerSecond > 0 && flow.limit.burst > 0)) {
    throw new FlowMisuse(`flow ${flow.id}: a limit has a rate and a burst above 0`);
  }
}

function isChannel(channel: number): boolean {
  return channel >= CHANNEL_MIN && channel <= CHANNEL_MAX_RFC5766;
}
