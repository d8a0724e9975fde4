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
import { Answers } from './answers.ts';
import { type BoundListener, BoundListeners, type HeldListenSpec } from './bound-listeners.ts';
import { Gathering } from './gathering.ts';
import { Hearing } from './hearing.ts';
import { type HeldStream, type Join, joinNobody, joinNow, thenJoin } from './held-stream.ts';
import { HeldStreams } from './held-streams.ts';
import type { WorkerLink } from './link.ts';
import { DESCRIPTORS_MOST, DROPS, DROPS_AT, SERVICES, trafficPlace } from './messages.ts';
import type { JoinThen } from './orders.ts';
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
  readonly #listeners: BoundListeners;
  readonly #opening = new Set<SocketId>();
  readonly #links: WorkerLinks;
  /** By descriptor; pages that nobody touched take no memory. */
  readonly #bytes = new SharedArrayBuffer(DESCRIPTORS_MOST * 8);
  readonly #bytesByDescriptor = new Float64Array(this.#bytes);
  readonly #streams = new HeldStreams();
  readonly #gathering = new Gathering();
  readonly #told = new Answers();
  #lastQuestion = 0;
  readonly #services = new Set<ServiceName>();
  /** Asked for while no worker runs. */
  readonly #hopeless = new Set<StreamId>();

  constructor(parts: SpliceRoomParts) {
    this.#parts = parts;
    const { sink, ids, workers } = parts;
    this.#listeners = new BoundListeners(workers);
    const hearing = new Hearing({
      sink,
      ids,
      listeners: this.#listeners,
      streams: this.#streams,
      gathering: this.#gathering,
      told: this.#told,
      begun: () => this.#links.noteBegun(),
    });
    this.#links = new WorkerLinks(
      { seats: this.#listeners.seats, workers, bytes: this.#bytes },
      {
        report: (link, ring) => hearing.hear(link, ring),
        replaced: (link) => {
          for (const listener of this.#listeners.all()) listenBy(link, listener);
        },
        failed: (link, error) => this.#lost(link, error),
      },
    );
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
    const standing = this.#listeners.stand(listener, decision, SERVICES.indexOf(service));
    if (decision !== undefined) this.#services.add(service);
    for (const link of this.#links.running) link.stand(socket, standing);
  }

  /** Resolves when the sink knows of everybody at listeners where nothing stands. */
  allTold(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastQuestion += 1;
    for (const link of this.#links.running) link.tell(this.#lastQuestion);
    this.#told.ask(this.#lastQuestion, this.#links.running, resolve);
    return promise;
  }

  /** Its streams go on. Resolves when the sink knows of all whom it accepted. */
  stopListening(socket: SocketId): Promise<void> {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) throw new EngineMisuse(`socket ${socket} is no stream listener`);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#listeners.close(listener, this.#links.running, false, resolve);
    return promise;
  }

  /** With its streams. False when there is no such listener. */
  close(socket: SocketId): boolean {
    const opening = this.#opening.delete(socket);
    const listener = this.#listeners.get(socket);
    if (listener === undefined) return opening;
    this.#listeners.close(listener, this.#links.running, true, () => {});
    return true;
  }

  /** Everything; the sink hears no more. */
  async closeAll(): Promise<void> {
    this.#opening.clear();
    this.#streams.clear();
    this.#hopeless.clear();
    await this.#links.stop();
    this.#listeners.closeAll();
    this.#told.end();
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
    this.#streams.add(stream);
    try {
      link.connect(id, spec, spec.join === undefined ? NOTHING_THEN : thenJoin(spec.join, client));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      queueMicrotask(() => {
        if (this.#streams.forget(stream)) this.#parts.sink.streamConnected(id, connectFailed(error));
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
    this.#streams.forget(stream);
    this.#gathering.forget(stream);
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

  /** What a worker had has ended with it. */
  #lost(link: WorkerLink, error: Error): void {
    const { sink, drops, onFault } = this.#parts;
    drops.add('engine', 'stream-worker-failed');
    const lost = this.#streams.takeAllOf(link);
    for (const stream of lost) this.#gathering.forget(stream);
    this.#gathering.gone(link);
    this.#listeners.workerGone(link);
    this.#told.gone(link);
    onFault(error);
    for (const { id, state } of lost) {
      if (state === 'connecting') sink.streamConnected(id, NO_WORKER);
      else sink.streamClosed(id, { bytes: 0, clean: false });
    }
  }
}

function listenBy(link: WorkerLink, { id, fd, maxStreams, seat, kind, standing }: BoundListener): void {
  link.listen(id, fd.number, maxStreams, seat, kind);
  if (standing.decision !== undefined) link.stand(id, standing);
}

const CLOSED: OpenResult = { ok: false, failure: 'failed', detail: 'closed while it was being opened' };
/** Between a failure and the next worker. */
const NO_WORKER: ConnectResult = { ok: false, failure: 'failed', detail: 'the worker of the stream failed' };
const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
const NOTHING_THEN: JoinThen = { handle: 0, service: 0, idle: 0, first: new Uint8Array(0) };
