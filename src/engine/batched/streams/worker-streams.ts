import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import { SECOND } from '../../../net/time.ts';
import { Arena } from '../../../sys/arena.ts';
import { type EdgePoll, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../../sys/edge-poll.ts';
import { Fd } from '../../../sys/fd.ts';
import { streamCalls } from '../../../sys/stream-calls.ts';
import { connectError, type KeepAliveSeconds, probeSilence, SHUT_WR } from '../../../sys/stream-socket.ts';
import type { Accepting, Acceptor } from './acceptor.ts';
import type { Dialled } from './dial.ts';
import { CHUNK_BYTES, type StreamMemory, trafficPlace } from './messages.ts';
import { Mover } from './mover.ts';
import { Pipes } from './pipes.ts';
import type { Reports } from './reports.ts';
import type { Standing } from './standing.ts';
import { type Joining, type Stream, UNTOLD } from './stream.ts';
import { StreamTable } from './table.ts';
import { Untold } from './untold.ts';

/** What a worker does with its streams: at the service's word, and when the kernel tells of something. */
export class WorkerStreams {
  readonly table: StreamTable;
  readonly untold: Untold;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  readonly #reports: Reports;
  readonly #poll: EdgePoll;
  readonly #pipes: Pipes;
  readonly #mover: Mover;
  readonly #calls = streamCalls();
  readonly #chunk = new Arena(CHUNK_BYTES);
  #again: Stream[] = [];
  now: Millis = 0;

  constructor(
    memory: StreamMemory,
    poll: EdgePoll,
    wheel: IdleWheel<Stream | Accepting>,
    reports: Reports,
    acceptor: Acceptor,
  ) {
    this.#wheel = wheel;
    this.#reports = reports;
    this.#poll = poll;
    this.#pipes = new Pipes(new Uint8Array(memory.owned));
    this.#mover = new Mover(poll, this.#pipes, memory);
    this.table = new StreamTable(memory, wheel, this.#pipes, reports);
    this.untold = new Untold(this.table, acceptor, reports, wheel);
  }

  /** Whether something waits for the next turn though the kernel will not tell of it. */
  get busy(): boolean {
    return this.#again.length > 0;
  }

  connect(
    handle: number,
    { fd, errno }: Dialled,
    timeout: Millis,
    keepAlive: KeepAliveSeconds | undefined,
    joining: Joining | undefined,
  ): void {
    if (fd === undefined) {
      this.#reports.connected(handle, errno, 0, true);
      return;
    }
    const stream = this.table.add(handle, fd, undefined, 'connecting');
    stream.keepAlive = keepAlive;
    stream.joining = joining;
    this.#await(stream, errno, timeout);
  }

  /** A client about whom nobody need be asked. */
  serve(standing: Standing, turn: number, client: Stream): void {
    const { fd, errno } = standing.dial(turn);
    client.tag = standing.tag;
    if (fd === undefined) {
      client.refusal = errno;
      this.untold.ask(client, this.now);
      return;
    }
    const upstream = this.table.add(UNTOLD, fd, undefined, 'connecting');
    upstream.keepAlive = standing.keepAlive;
    upstream.joining = standing;
    upstream.partner = client;
    client.partner = upstream;
    this.#await(upstream, errno, standing.timeout);
  }

  read(handle: number): void {
    const stream = this.table.get(handle);
    if (stream === undefined) return;
    stream.wanted = true;
    this.#serve(stream);
  }

  write(handle: number, bytes: Uint8Array): void {
    const stream = this.table.get(handle);
    if (stream === undefined) {
      this.table.drop('stream-gone');
      return;
    }
    stream.front = stream.front === undefined ? bytes : Buffer.concat([stream.front, bytes]);
    if (stream.front.length > FRONT_MOST) {
      this.table.drop('stream-overflow');
      this.table.end(stream, false);
    } else {
      this.#serve(stream);
    }
  }

  join(handle: number, other: number, service: number, idle: Millis): void {
    const [a, b] = [this.table.get(handle), this.table.get(other)];
    if (a === undefined || b === undefined) {
      // The one that is there has nobody to talk to.
      const left = a ?? b;
      if (left !== undefined) this.table.cut(left);
      return;
    }
    this.#couple(a, b, service, idle);
  }

  #couple(a: Stream, b: Stream, service: number, idle: Millis): void {
    for (const [source, sink] of [
      [a, b],
      [b, a],
    ] as const) {
      source.state = 'joined';
      source.partner = sink;
      source.countAt = trafficPlace(service, source === b);
      source.active = this.now;
    }
    a.idle = idle;
    const first = a.handle === UNTOLD ? TELL_AFTER : idle;
    if (first > 0) this.#wheel.set(a, this.now + first);
    this.#serve(a);
  }

  /** A held one that we connected: another worker is to join it. */
  release(handle: number): void {
    const stream = this.table.get(handle);
    if (stream === undefined) return;
    if (stream.front !== undefined) {
      // Nobody takes what comes before the join: neither would he take the rest.
      this.table.cut(stream);
      return;
    }
    if (stream.keepAlive !== undefined) this.#keepAlive(stream, stream.keepAlive);
    if (stream.watched !== 0) this.#poll.remove(stream.fd.number);
    this.#reports.released(handle, this.table.giveAway(stream));
  }

  adopt(handle: number, descriptor: number): void {
    this.table.add(handle, new Fd(descriptor, 'stream of another worker'), undefined, 'held');
  }

  close(handle: number): void {
    const stream = this.table.get(handle);
    if (stream === undefined) return;
    this.table.forget(stream);
    if (stream.state === 'joined') this.table.leave(stream);
    else if (stream.state === 'connecting') this.table.end(stream, false);
    else {
      stream.state = 'lingering';
      this.#wheel.set(stream, this.now + LINGER);
      this.#serve(stream);
    }
  }

  closeAll(): void {
    this.table.endAll();
    this.#pipes.close();
  }

  /** What the kernel tells of a stream. */
  tell(stream: Stream, events: number): void {
    if ((events & (EPOLLIN | GONE)) !== 0) stream.readable = true;
    if ((events & GONE) !== 0) stream.hungUp = true;
    if ((events & (EPOLLRDHUP | EPOLLERR)) === EPOLLRDHUP) stream.finished = true;
    if ((events & EPOLLPRI) !== 0) stream.urgent = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) !== 0) stream.writable = true;
    if (stream.state === 'connecting') {
      if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) !== 0) this.#connected(stream, events);
    } else if ((events & EPOLLERR) !== 0 && (stream.ended || stream.state === 'held')) {
      // Nobody reads from it, so nobody else would find out.
      this.#broke(stream);
    } else {
      this.#serve(stream);
    }
  }

  due(stream: Stream): void {
    switch (stream.state) {
      case 'connecting':
        this.#refused(stream, ETIMEDOUT);
        return;
      case 'joined': {
        if (stream.handle === UNTOLD) this.untold.tell(stream, this.now);
        if (stream.keepAlive !== undefined) this.#keepAlive(stream, stream.keepAlive);
        if (stream.idle === 0) return;
        const quietSince = Math.max(stream.active, stream.partner?.active ?? 0);
        if (quietSince + stream.idle <= this.now) this.table.leave(stream);
        // Who could not be told of is tried again before that.
        else if (stream.slot === -1) this.#wheel.set(stream, quietSince + stream.idle);
        return;
      }
      case 'held':
        if (stream.handle === UNTOLD) this.untold.ask(stream, this.now);
        if (stream.keepAlive !== undefined) this.#keepAlive(stream, stream.keepAlive);
        this.#serve(stream);
        return;
      case 'lingering':
      case 'gone':
        this.table.end(stream, false);
    }
  }

  /** Those that had more to do than one turn allows. */
  goOn(): void {
    const streams = this.#again;
    this.#again = [];
    for (const stream of streams) {
      stream.again = false;
      this.#serve(stream);
    }
  }

  #serve(stream: Stream): void {
    switch (stream.state) {
      case 'joined':
        this.#carry(stream);
        if (stream.partner !== undefined) this.#carry(stream.partner);
        return;
      case 'held':
        if (!this.#mover.flush(stream)) this.#broke(stream);
        else if (stream.wanted) this.#readChunk(stream);
        return;
      case 'lingering':
        this.#linger(stream);
        return;
      case 'connecting':
      case 'gone':
    }
  }

  #carry(source: Stream): void {
    const sink = source.partner;
    if (source.state !== 'joined' || sink === undefined || sink.shut) return;
    const { bytes, piped } = source;
    const moved = this.#mover.move(source, sink);
    if (source.bytes !== bytes || source.piped !== piped) source.active = this.now;
    if (moved === 'more') this.#later(source);
    else if (moved === 'broken') this.#broke(source);
    else if (moved === 'ended') this.#passEnd(source, sink);
  }

  #passEnd(source: Stream, sink: Stream): void {
    if (source.shut) {
      // The other way came to its end before: closing says the rest.
      this.table.end(source, true);
      this.table.end(sink, true);
      return;
    }
    sink.shut = true;
    if (this.#calls.shutdown(sink.fd.number, SHUT_WR) < 0) this.#broke(sink);
  }

  #readChunk(stream: Stream): void {
    if (!stream.readable) {
      this.#mover.watch(stream, EPOLLIN | EPOLLPRI | EPOLLRDHUP);
      return;
    }
    if (!this.#reports.takesChunk) {
      this.#wheel.set(stream, this.now);
      return;
    }
    const got = this.#mover.take(stream, this.#chunk);
    if (got === 0) return;
    if (got < 0) {
      this.table.end(stream, false);
      return;
    }
    stream.wanted = false;
    this.#reports.data(stream.handle, this.#chunk.bytes.subarray(0, got));
  }

  /** What is written goes out, then our end; unread input would turn it into a reset, so it is read, by nobody, until the peer's end. */
  #linger(stream: Stream): void {
    if (!this.#mover.flush(stream)) {
      this.table.end(stream, false);
      return;
    }
    if (stream.front !== undefined) return;
    if (!stream.shut) {
      stream.shut = true;
      this.#calls.shutdown(stream.fd.number, SHUT_WR);
    }
    while (stream.readable) {
      if (this.#mover.take(stream, this.#chunk) < 0) {
        this.table.end(stream, false);
        return;
      }
    }
  }

  #connected(stream: Stream, events: number): void {
    const failure = (events & (EPOLLERR | EPOLLHUP)) === 0 ? 0 : connectError(stream.fd);
    if (failure !== 0) {
      this.#refused(stream, failure);
      return;
    }
    this.#settled(stream);
  }

  #await(stream: Stream, errno: number, timeout: Millis): void {
    if (errno === 0) {
      this.#settled(stream);
      return;
    }
    stream.readable = false;
    this.#mover.watch(stream, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP);
    this.#wheel.set(stream, this.now + timeout);
  }

  #settled(stream: Stream): void {
    stream.state = 'held';
    const { joining } = stream;
    if (stream.handle === UNTOLD) {
      // Its keep-alive comes when the connect would have been late: two changes of the wheel are saved to most.
      if (joining !== undefined && stream.partner !== undefined) {
        this.#couple(stream.partner, stream, joining.service, joining.idle);
      }
      return;
    }
    if (stream.keepAlive === undefined) this.#wheel.clear(stream);
    else this.#wheel.set(stream, this.now + SETTLED_AFTER);
    this.#reports.connected(stream.handle, 0, stream.fd.number, joining === undefined);
    if (joining === undefined) {
      // What was written meanwhile.
      this.#serve(stream);
      return;
    }
    stream.joining = undefined;
    stream.front = joining.first ?? stream.front;
    this.join(joining.client, stream.handle, joining.service, joining.idle);
  }

  #refused(stream: Stream, reason: number): void {
    if (stream.handle === UNTOLD) {
      const client = stream.partner;
      stream.partner = undefined;
      this.table.end(stream, false);
      if (client === undefined) return;
      client.partner = undefined;
      client.refusal = reason;
      this.untold.ask(client, this.now);
      return;
    }
    this.table.forget(stream);
    this.table.end(stream, false);
    this.#reports.connected(stream.handle, reason, 0, true);
  }

  #keepAlive(stream: Stream, times: KeepAliveSeconds): void {
    stream.keepAlive = undefined;
    probeSilence(stream.fd, times);
  }

  #broke(stream: Stream): void {
    this.table.drop('stream-error');
    this.table.cut(stream);
  }

  #later(stream: Stream): void {
    if (stream.again) return;
    stream.again = true;
    this.#again.push(stream);
  }
}

const GONE = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const LINGER: Millis = 5 * SECOND;
/** A stream is given up whose reader takes not even what comes before the join. */
const FRONT_MOST = 4 * 1024 * 1024;
/** How old a client is at least when the main thread is told of him, whom nobody asked about: most do not grow as old. */
const TELL_AFTER: Millis = 25;
/** How old a connection is when it gets its keep-alive: most do not grow as old. */
const SETTLED_AFTER: Millis = SECOND;
const ETIMEDOUT = 110;
