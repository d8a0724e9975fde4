import type { Direction, ServiceName } from '../../../flow/flow.ts';
import type { Endpoint } from '../../../net/endpoint.ts';
import type { IdSource, SocketId, StreamId } from '../../../net/ids.ts';
import type { OpenResult } from '../../../net/open-result.ts';
import { type Millis, SECOND } from '../../../net/time.ts';
import { SystemError } from '../../../sys/errno.ts';
import { Fd } from '../../../sys/fd.ts';
import { AF_INET, AF_INET6, decodeSockaddr } from '../../../sys/sockaddr.ts';
import { type ConnectSpec, EngineMisuse, type EngineSink, type JoinSpec, type TrafficCount } from '../../engine.ts';
import type { DropCounts } from '../../portable/drop-counts.ts';
import { connectFailed, openFailed } from '../../portable/error-names.ts';
import { removeStale } from '../../portable/stream-listener.ts';
import { type BoundListener, BoundListeners, type HeldListenSpec } from './bound-listeners.ts';
import { WorkerLink } from './link.ts';
import {
  DESCRIPTORS_MOST,
  DROPS,
  DROPS_AT,
  OPENED_LOCAL,
  OPENED_REMOTE,
  REPORT,
  SERVICES,
  trafficPlace,
} from './messages.ts';
import type { RingReader } from './ring.ts';

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
  readonly #links: WorkerLink[] = [];
  /** By descriptor; pages that nobody touched take no memory. */
  readonly #bytes = new SharedArrayBuffer(DESCRIPTORS_MOST * 8);
  readonly #bytesByDescriptor = new Float64Array(this.#bytes);
  readonly #streams = new Map<StreamId, HeldStream>();
  /** Those that workers accepted, by link and handle. */
  readonly #accepted = new Map<WorkerLink, Map<number, HeldStream>>();
  /** Joins that wait until one end has come to the other's worker, by that end. */
  readonly #moving = new Map<StreamId, Join>();
  readonly #services = new Set<ServiceName>();
  /** Counts of workers that are gone. */
  readonly #past: Float64Array[] = [];
  #restarted = 0;
  #next = 0;
  #closed = false;

  constructor(parts: SpliceRoomParts) {
    this.#parts = parts;
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
      if (!this.#opening.has(socket)) {
        return { ok: false, failure: 'failed', detail: 'closed while it was being opened' };
      }
      const listener = this.#listeners.bind(socket, spec);
      for (const link of this.#started()) listenBy(link, listener);
      return { ok: true, local: listener.local };
    } catch (error) {
      return openFailed(error);
    } finally {
      this.#opening.delete(socket);
    }
  }

  /** Its streams go on. */
  stopListening(socket: SocketId): void {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) throw new EngineMisuse(`socket ${socket} is no stream listener`);
    this.#listeners.close(listener, this.#links, false);
  }

  /** With its streams. False when there is no such listener. */
  close(socket: SocketId): boolean {
    const opening = this.#opening.delete(socket);
    const listener = this.#listeners.get(socket);
    if (listener === undefined) return opening;
    this.#listeners.close(listener, this.#links, true);
    return true;
  }

  /** Everything; the sink hears no more. */
  async closeAll(): Promise<void> {
    this.#closed = true;
    this.#opening.clear();
    this.#streams.clear();
    await Promise.all(this.#links.map((link) => link.stop()));
    this.#listeners.closeAll();
  }

  connect(id: StreamId, spec: ConnectSpec): void {
    if (this.#streams.has(id)) throw new EngineMisuse(`stream ${id} is in use`);
    const beside = spec.beside === undefined ? undefined : this.#streams.get(spec.beside);
    const link = beside?.link ?? this.#anyLink();
    const stream: HeldStream = { id, handle: id, link, at: undefined, state: 'connecting', descriptor: 0 };
    this.#streams.set(id, stream);
    try {
      link.connect(id, spec);
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
    else this.#bringTogether(order);
  }

  /** The sink hears no more of this stream. */
  closeStream(id: StreamId): void {
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
        return { service, direction, packets: 0, bytes: this.#count(place) };
      }),
    );
  }

  /** What workers dropped, by reason. */
  drops(): ReadonlyMap<string, number> {
    const counted = DROPS.map((reason, n) => [reason, this.#count(DROPS_AT + n)] as const);
    return new Map(counted.filter(([, count]) => count > 0));
  }

  #count(place: number): number {
    return [...this.#past, ...this.#links.map(({ counts }) => counts)].reduce(
      (sum, counts) => sum + (counts[place] ?? 0),
      0,
    );
  }

  #started(): readonly WorkerLink[] {
    while (this.#links.length < this.#parts.workers) this.#start();
    return this.#links;
  }

  #anyLink(): WorkerLink {
    const links = this.#started();
    this.#next = (this.#next + 1) % links.length;
    return links[this.#next] as WorkerLink;
  }

  #start(): void {
    const link = new WorkerLink(
      { seats: this.#listeners.seats, bytes: this.#bytes },
      {
        report: (from, ring) => this.#hear(from, ring),
        failed: (which, error) => this.#replace(which, error),
      },
    );
    this.#links.push(link);
    this.#accepted.set(link, new Map());
  }

  /** One worker has both ends of a pair. What was accepted stays with the worker that counts it. */
  #bringTogether(order: Join): void {
    const mover = order.b.at === undefined ? order.b : order.a;
    if (mover.at !== undefined) throw new EngineMisuse('streams of two listeners cannot be joined');
    this.#moving.set(mover.id, order);
    mover.link.release(mover.handle);
  }

  #released(id: StreamId, number: number): void {
    const order = this.#moving.get(id);
    this.#moving.delete(id);
    const [mover, stays] = order?.b.id === id ? [order.b, order.a] : [order?.a, order?.b];
    if (order === undefined || mover === undefined || stays === undefined || this.#streams.get(id) !== mover) {
      // Closed meanwhile.
      new Fd(number, 'stream').close();
      return;
    }
    mover.link = stays.link;
    mover.link.adopt(mover.handle, number);
    joinNow(order);
  }

  #hear(link: WorkerLink, ring: RingReader): void {
    const { kind, id, body } = ring;
    if (kind === REPORT.opened) {
      this.#opened(link, id, ring);
      return;
    }
    if (kind === REPORT.unlistened) {
      this.#listeners.left(id as SocketId);
      return;
    }
    if (kind === REPORT.released) {
      this.#released(id as StreamId, ring.number(body));
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
    const stream: HeldStream = {
      id: this.#parts.ids.stream(),
      handle,
      link,
      at: listener.id,
      state: 'held',
      descriptor: ring.number(ring.body + 8),
    };
    this.#streams.set(stream.id, stream);
    this.#accepted.get(link)?.set(handle, stream);
    const remote = endpointIn(ring, ring.body + OPENED_REMOTE) ?? listener.local;
    const local = endpointIn(ring, ring.body + OPENED_LOCAL) ?? listener.local;
    this.#parts.sink.streamOpened(stream.id, listener.id, remote, local);
  }

  #connected(stream: HeldStream, errno: number, descriptor: number): void {
    if (errno === 0) {
      stream.state = 'held';
      stream.descriptor = descriptor;
      this.#parts.sink.streamConnected(stream.id, { ok: true });
    } else {
      this.#forget(stream);
      this.#parts.sink.streamConnected(stream.id, connectFailed(new SystemError('connect', errno)));
    }
  }

  #forget(stream: HeldStream): void {
    this.#streams.delete(stream.id);
    const order = this.#moving.get(stream.id);
    this.#moving.delete(stream.id);
    if (order !== undefined) joinNobody(order.a === stream ? order.b : order.a);
    if (stream.at !== undefined) this.#accepted.get(stream.link)?.delete(stream.handle);
  }

  /** The listeners go on with another worker; what the one that is gone had has ended. */
  #replace(link: WorkerLink, error: Error): void {
    if (this.#closed) return;
    this.#parts.drops.add('engine', 'stream-worker-failed');
    this.#links.splice(this.#links.indexOf(link), 1);
    this.#accepted.delete(link);
    this.#past.push(link.counts);
    const lost = [...this.#streams.values()].filter((stream) => stream.link === link);
    for (const stream of lost) this.#streams.delete(stream.id);
    const left = new Map<SocketId, number>();
    for (const { at } of this.#streams.values()) if (at !== undefined) left.set(at, (left.get(at) ?? 0) + 1);
    this.#listeners.workerGone(left);
    // One that fails at once would fail again and again.
    const rest = Math.max(0, this.#restarted + SECOND - performance.now());
    setTimeout(() => {
      if (this.#closed) return;
      this.#restarted = performance.now();
      this.#start();
      const started = this.#links.at(-1);
      if (started !== undefined) for (const listener of this.#listeners.all()) listenBy(started, listener);
    }, rest);
    this.#parts.onFault(error);
    for (const { id, state } of lost) {
      if (state === 'connecting')
        this.#parts.sink.streamConnected(id, { ok: false, failure: 'failed', detail: 'the worker failed' });
      else this.#parts.sink.streamClosed(id, { bytes: 0, clean: false });
    }
  }
}

/** `handle`: what its worker calls it. */
interface HeldStream {
  readonly id: StreamId;
  readonly handle: number;
  link: WorkerLink;
  /** Undefined when we made the connection. */
  readonly at: SocketId | undefined;
  state: 'connecting' | 'held' | 'joined';
  descriptor: number;
}

interface Join {
  readonly a: HeldStream;
  readonly b: HeldStream;
  readonly service: number;
  readonly idle: Millis;
}

/** When one of them is gone already, its worker ends the other. */
function joinNow({ a, b, service, idle }: Join): void {
  a.link.join(a.handle, b.handle, service, idle);
}

/** Which cuts it. */
function joinNobody({ link, handle }: HeldStream): void {
  link.join(handle, 0, 0, 0);
}

function listenBy(link: WorkerLink, { id, fd, maxStreams, seat, kind }: BoundListener): void {
  link.listen(id, fd.number, maxStreams, seat, kind);
}

/** Undefined where there is none: a unix socket, or an address that nobody asked for. */
function endpointIn(ring: RingReader, offset: number): Endpoint | undefined {
  const family = ring.word(offset) & 0xffff;
  return family === AF_INET || family === AF_INET6 ? decodeSockaddr(ring.view, offset) : undefined;
}

const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
