import type { Direction, ServiceName } from '../../../flow/flow.ts';
import type { IdSource, SocketId, StreamId } from '../../../net/ids.ts';
import type { OpenResult } from '../../../net/open-result.ts';
import type { StandingDecision } from '../../../net/standing.ts';
import type { ConnectResult } from '../../../net/stream-target.ts';
import { SystemError } from '../../../sys/errno.ts';
import { type ConnectSpec, EngineMisuse, type EngineSink, type JoinSpec, type TrafficCount } from '../../engine.ts';
import type { DropCounts } from '../../portable/drop-counts.ts';
import { connectFailed, openFailed } from '../../portable/error-names.ts';
import { removeStale } from '../../portable/stream-listener.ts';
import type { RingReader } from '../ring.ts';
import { type BoundListener, BoundListeners, type HeldListenSpec } from './bound-listeners.ts';
import { Gathering } from './gathering.ts';
import { endsIn, type HeldStream, type Join, joinNobody, joinNow, refusalIn, thenJoin } from './held-stream.ts';
import type { JoinThen, WorkerLink } from './link.ts';
import {
  DESCRIPTORS_MOST,
  DROPS,
  DROPS_AT,
  OPENED_BYTES,
  OPENED_TAG,
  REPORT,
  SERVICES,
  trafficPlace,
} from './messages.ts';
import { WorkerLinks } from './worker-links.ts';

export interface SpliceRoomParts {
  readonly sink: EngineSink;
  readonly ids: IdSource;
  readonly drops: DropCounts;
  /** Threads that move bytes; they begin with the first listener or connect. */
  readonly workers: number;
  /** A worker ended by a mistake of ours. Its streams have ended with it; another takes its place. */
  readonly onFault: (error: Error) => void;
}

/**
 * The held streams of an engine, on system calls in threads of their own: what one of them accepts and connects it moves itself, by splice,
 * while the decisions stay with the services.
 */
export class SpliceRoom {
  readonly #parts: SpliceRoomParts;
  readonly #listeners = new BoundListeners();
  readonly #opening = new Set<SocketId>();
  readonly #links: WorkerLinks;
  /** By descriptor; pages that nobody touched take no memory. */
  readonly #bytes = new SharedArrayBuffer(DESCRIPTORS_MOST * 8);
  readonly #bytesByDescriptor = new Float64Array(this.#bytes);
  readonly #streams = new Map<StreamId, HeldStream>();
  /** Those that workers accepted, by link and handle. */
  readonly #accepted = new Map<WorkerLink, Map<number, HeldStream>>();
  readonly #gathering = new Gathering();
  readonly #services = new Set<ServiceName>();
  /** Asked for while no worker runs. */
  readonly #hopeless = new Set<StreamId>();

  constructor(parts: SpliceRoomParts) {
    this.#parts = parts;
    const shared = { seats: this.#listeners.seats, bytes: this.#bytes };
    this.#links = new WorkerLinks(parts.workers, shared, {
      report: (link, ring) => this.#hear(link, ring),
      replaced: (link) => {
        for (const listener of this.#listeners.all()) listenBy(link, listener);
      },
      failed: (link, error) => this.#lost(link, error),
    });
  }

  /** Starts the workers, which the first listener would wait for. */
  begin(): void {
    this.#links.start();
  }

  /** Open, or being opened. */
  has(socket: SocketId): boolean {
    return this.#listeners.has(socket) || this.#opening.has(socket);
  }

  hasStream(stream: StreamId): boolean {
    return this.#streams.has(stream);
  }

  async listen(socket: SocketId, spec: HeldListenSpec): Promise<OpenResult> {
    this.#opening.add(socket);
    try {
      if (spec.transport === 'unix') await removeStale(spec.path);
      // Also the others' answers come later than the call.
      else await undefined;
      if (!this.#opening.has(socket)) return CLOSED;
      const listener = this.#listeners.bind(socket, spec);
      for (const link of this.#links.start()) listenBy(link, listener);
      await this.#links.begun();
      if (!this.#listeners.has(socket)) return CLOSED;
      return { ok: true, local: listener.local };
    } catch (error) {
      return openFailed(error);
    } finally {
      this.#opening.delete(socket);
    }
  }

  /** What becomes of its clients; see Engine. */
  stand(socket: SocketId, decision: StandingDecision | undefined, service: ServiceName): void {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) return;
    listener.standing = decision && { decision, service: SERVICES.indexOf(service) };
    if (decision !== undefined) this.#services.add(service);
    this.#listeners.beginTurns(listener);
    for (const link of this.#links.running) link.stand(socket, listener.standing);
  }

  /** Its streams go on. */
  stopListening(socket: SocketId): void {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) throw new EngineMisuse(`socket ${socket} is no stream listener`);
    this.#listeners.close(listener, this.#links.running, false);
  }

  /** With its streams. False when there is no such listener. */
  close(socket: SocketId): boolean {
    const opening = this.#opening.delete(socket);
    const listener = this.#listeners.get(socket);
    if (listener === undefined) return opening;
    this.#listeners.close(listener, this.#links.running, true);
    return true;
  }

  /** Everything; the sink hears no more. */
  async closeAll(): Promise<void> {
    this.#opening.clear();
    this.#streams.clear();
    this.#hopeless.clear();
    await this.#links.stop();
    this.#listeners.closeAll();
  }

  connect(id: StreamId, spec: ConnectSpec): void {
    if (this.#streams.has(id)) throw new EngineMisuse(`stream ${id} is in use`);
    const client = spec.join && this.#streams.get(spec.join.with);
    if (client !== undefined && client.state !== 'held') throw new EngineMisuse(`stream ${client.id} cannot be joined`);
    const link = client?.link ?? this.#links.any();
    if (link === undefined) {
      this.#hopeless.add(id);
      queueMicrotask(() => {
        if (this.#hopeless.delete(id)) this.#parts.sink.streamConnected(id, NO_WORKER);
      });
      return;
    }
    if (spec.join !== undefined) this.#services.add(spec.join.service);
    const stream: HeldStream = { id, handle: id, link, at: undefined, state: 'connecting', descriptor: 0, client };
    this.#streams.set(id, stream);
    try {
      link.connect(id, spec, spec.join === undefined ? NOTHING_THEN : thenJoin(spec.join, client));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      queueMicrotask(() => {
        if (this.#streams.delete(id)) this.#parts.sink.streamConnected(id, connectFailed(error));
      });
    }
  }

  read(id: StreamId): void {
    const stream = this.#streams.get(id);
    // Gone meanwhile: the service hears of it, or has.
    if (stream === undefined) return;
    if (stream.state !== 'held') throw new EngineMisuse(`stream ${id} is not held`);
    stream.link.read(stream.handle);
  }

  /** To a held stream, or to one whose connect was not answered yet; it goes in front of what a join brings. */
  write(id: StreamId, packet: Uint8Array): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#parts.drops.add('engine', 'stream-gone');
      return;
    }
    if (stream.state === 'joined') throw new EngineMisuse(`stream ${id} is joined`);
    stream.link.write(stream.handle, packet);
  }

  join(a: StreamId, b: StreamId, { service, idle }: JoinSpec): void {
    const [first, second] = [this.#streams.get(a), this.#streams.get(b)];
    if (first === undefined || second === undefined) {
      const left = first ?? second;
      if (left !== undefined) joinNobody(left);
      return;
    }
    if (first.state !== 'held' || second.state !== 'held' || first === second) {
      throw new EngineMisuse(`streams ${a} and ${b} cannot be joined`);
    }
    first.state = 'joined';
    second.state = 'joined';
    this.#services.add(service);
    const order: Join = { a: first, b: second, service: SERVICES.indexOf(service), idle };
    if (first.link === second.link) joinNow(order);
    else this.#gathering.bringTogether(order);
  }

  /** The sink hears no more of this stream. */
  closeStream(id: StreamId): void {
    this.#hopeless.delete(id);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#forget(stream);
    stream.link.close(stream.handle);
  }

  bytesOf(id: StreamId): number | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined) return undefined;
    return stream.state === 'joined' ? this.#bytesByDescriptor[stream.descriptor] : 0;
  }

  traffic(): TrafficCount[] {
    return [...this.#services].flatMap((service) =>
      DIRECTIONS.map((direction) => {
        const place = trafficPlace(SERVICES.indexOf(service), direction === 'to_client');
        return { service, direction, packets: 0, bytes: this.#links.count(place) };
      }),
    );
  }

  /** What workers dropped, by reason. */
  drops(): ReadonlyMap<string, number> {
    const counted = DROPS.map((reason, n) => [reason, this.#links.count(DROPS_AT + n)] as const);
    return new Map(counted.filter(([, count]) => count > 0));
  }

  #hear(link: WorkerLink, ring: RingReader): void {
    const { kind, id, body } = ring;
    if (kind === REPORT.opened) {
      this.#opened(link, id, ring);
      return;
    }
    if (kind === REPORT.pair) {
      this.#paired(link, id, ring);
      return;
    }
    if (kind === REPORT.totals) {
      const [connections, toUpstream, toClient] = [ring.number(body), ring.number(body + 8), ring.number(body + 16)];
      this.#parts.sink.standingTotals?.(id as SocketId, { connections, toUpstream, toClient });
      return;
    }
    if (kind === REPORT.begun) {
      this.#links.noteBegun();
      return;
    }
    if (kind === REPORT.unlistened) {
      this.#listeners.left(id as SocketId);
      return;
    }
    if (kind === REPORT.released) {
      this.#gathering.released(this.#streams.get(id as StreamId), ring.number(body));
      return;
    }
    const stream = id < 0 ? this.#accepted.get(link)?.get(id) : this.#streams.get(id as StreamId);
    // Closed meanwhile.
    if (stream === undefined) return;
    const { sink } = this.#parts;
    switch (kind) {
      case REPORT.connected:
        this.#connected(stream, ring.number(body), ring.number(body + 8));
        return;
      case REPORT.data:
        sink.streamData(stream.id, ring.bytes.subarray(body + 8, body + 8 + ring.word(body)));
        return;
      case REPORT.closed:
        this.#forget(stream);
        sink.streamClosed(stream.id, { bytes: ring.number(body), clean: ring.number(body + 8) === 1 });
    }
  }

  #opened(link: WorkerLink, handle: number, ring: RingReader): void {
    const listener = this.#listeners.get(ring.number(ring.body) as SocketId);
    // Accepted in the turn in which the listener was closed.
    if (listener === undefined) {
      link.close(handle);
      return;
    }
    const stream = this.#adopt(link, handle, listener.id, 'held', ring.number(ring.body + 8));
    const { from, local } = endsIn(ring, listener.local);
    this.#parts.sink.streamOpened(stream.id, listener.id, from, local, refusalIn(ring));
  }

  /** A client and his upstream, whom a standing decision joined. */
  #paired(link: WorkerLink, handle: number, ring: RingReader): void {
    const listener = this.#listeners.get(ring.number(ring.body) as SocketId);
    // Closed meanwhile, its streams cut with it or going on, and nobody's.
    if (listener === undefined) return;
    const { id: at } = listener;
    const { id: client } = this.#adopt(link, handle, at, 'joined', ring.number(ring.body + 8));
    const more = ring.body + OPENED_BYTES;
    const { id: upstream } = this.#adopt(link, ring.number(more), undefined, 'joined', ring.number(more + 8));
    const tag = ring.word(ring.body + OPENED_TAG);
    this.#parts.sink.standingPair?.({ at, client, upstream, ...endsIn(ring, listener.local), tag });
  }

  #adopt(
    link: WorkerLink,
    handle: number,
    at: SocketId | undefined,
    state: HeldStream['state'],
    descriptor: number,
  ): HeldStream {
    const stream: HeldStream = {
      id: this.#parts.ids.stream(),
      handle,
      link,
      at,
      state,
      descriptor,
      client: undefined,
    };
    this.#streams.set(stream.id, stream);
    const accepted = this.#accepted.get(link) ?? new Map<number, HeldStream>();
    this.#accepted.set(link, accepted.set(handle, stream));
    return stream;
  }

  #connected(stream: HeldStream, errno: number, descriptor: number): void {
    if (errno === 0) {
      stream.state = 'held';
      stream.descriptor = descriptor;
      if (stream.client !== undefined) {
        stream.state = 'joined';
        stream.client.state = 'joined';
      }
      this.#parts.sink.streamConnected(stream.id, { ok: true });
    } else {
      this.#forget(stream);
      this.#parts.sink.streamConnected(stream.id, connectFailed(new SystemError('connect', errno)));
    }
  }

  #forget(stream: HeldStream): void {
    this.#streams.delete(stream.id);
    this.#gathering.forget(stream);
    if (stream.handle < 0) this.#accepted.get(stream.link)?.delete(stream.handle);
  }

  /** What a worker had has ended with it. */
  #lost(link: WorkerLink, error: Error): void {
    const { sink, drops, onFault } = this.#parts;
    drops.add('engine', 'stream-worker-failed');
    this.#accepted.delete(link);
    const lost = [...this.#streams.values()].filter((stream) => stream.link === link);
    for (const stream of lost) this.#forget(stream);
    const left = new Map<SocketId, number>();
    for (const { at } of this.#streams.values()) if (at !== undefined) left.set(at, (left.get(at) ?? 0) + 1);
    this.#listeners.workerGone(left);
    onFault(error);
    for (const { id, state } of lost) {
      if (state === 'connecting') sink.streamConnected(id, NO_WORKER);
      else sink.streamClosed(id, { bytes: 0, clean: false });
    }
  }
}

function listenBy(link: WorkerLink, { id, fd, maxStreams, seat, kind, standing }: BoundListener): void {
  link.listen(id, fd.number, maxStreams, seat, kind);
  if (standing !== undefined) link.stand(id, standing);
}

const CLOSED: OpenResult = { ok: false, failure: 'failed', detail: 'closed while it was being opened' };
/** Between a failure and the next worker. */
const NO_WORKER: ConnectResult = { ok: false, failure: 'failed', detail: 'the worker of the stream failed' };
const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
const NOTHING_THEN: JoinThen = { handle: 0, service: 0, idle: 0, first: new Uint8Array(0) };
