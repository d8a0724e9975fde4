import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import { Arena } from '../../../sys/arena.ts';
import { EPOLLIN, EPOLLPRI, EPOLLRDHUP } from '../../../sys/edge-poll.ts';
import { streamCalls } from '../../../sys/stream-calls.ts';
import { SHUT_WR } from '../../../sys/stream-socket.ts';
import type { Accepting } from './acceptor.ts';
import { CHUNK_BYTES, trafficPlace } from './messages.ts';
import type { Mover } from './mover.ts';
import type { Reports } from './reports.ts';
import { type Stream, UNTOLD } from './stream.ts';
import type { StreamTable } from './table.ts';

/** Where the bytes of streams go: from each of a pair to the other, in chunks to the service, or to nobody. */
export class Carrying {
  readonly #table: StreamTable;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  readonly #reports: Reports;
  readonly #mover: Mover;
  readonly #calls = streamCalls();
  readonly #chunk = new Arena(CHUNK_BYTES);
  #again: Stream[] = [];

  constructor(table: StreamTable, wheel: IdleWheel<Stream | Accepting>, reports: Reports, mover: Mover) {
    this.#table = table;
    this.#wheel = wheel;
    this.#reports = reports;
    this.#mover = mover;
  }

  /** Whether something waits for the next turn though the kernel will not tell of it. */
  get busy(): boolean {
    return this.#again.length > 0;
  }

  join(handle: number, other: number, service: number, idle: Millis): void {
    const [a, b] = [this.#table.get(handle), this.#table.get(other)];
    if (a === undefined || b === undefined) {
      // The one that is there has nobody to talk to.
      const left = a ?? b;
      if (left !== undefined) this.#table.cut(left);
      return;
    }
    this.couple(a, b, service, idle);
  }

  couple(a: Stream, b: Stream, service: number, idle: Millis): void {
    for (const [source, sink] of [
      [a, b],
      [b, a],
    ] as const) {
      source.state = 'joined';
      source.partner = sink;
      source.countAt = trafficPlace(service, source === b);
      source.active = this.#table.now;
    }
    a.idle = idle;
    const first = a.handle === UNTOLD ? TELL_AFTER : idle;
    if (first > 0) this.#wheel.set(a, this.#table.now + first);
    this.serve(a);
  }

  /** Does what can be done for it now. */
  serve(stream: Stream): void {
    switch (stream.state) {
      case 'joined':
        this.#carry(stream);
        if (stream.partner !== undefined) this.#carry(stream.partner);
        return;
      case 'held':
        if (!this.#mover.flush(stream)) this.broke(stream);
        else if (stream.wanted) this.#readChunk(stream);
        return;
      case 'lingering':
        this.#linger(stream);
        return;
      case 'connecting':
      case 'gone':
    }
  }

  /** Those that had more to do than one turn allows. */
  goOn(): void {
    const streams = this.#again;
    this.#again = [];
    for (const stream of streams) {
      stream.again = false;
      this.serve(stream);
    }
  }

  broke(stream: Stream): void {
    this.#table.drop('stream-error');
    this.#table.cut(stream);
  }

  #carry(source: Stream): void {
    const sink = source.partner;
    if (source.state !== 'joined' || sink === undefined || sink.shut) return;
    const { bytes, piped } = source;
    const moved = this.#mover.move(source, sink);
    if (source.bytes !== bytes || source.piped !== piped) source.active = this.#table.now;
    if (moved === 'more') this.#later(source);
    else if (moved === 'broken') this.broke(source);
    else if (moved === 'ended') this.#passEnd(source, sink);
  }

  #passEnd(source: Stream, sink: Stream): void {
    if (source.shut) {
      // The other way came to its end before: closing says the rest.
      this.#table.end(source, true);
      this.#table.end(sink, true);
      return;
    }
    sink.shut = true;
    if (this.#calls.shutdown(sink.fd.number, SHUT_WR) < 0) this.broke(sink);
  }

  #readChunk(stream: Stream): void {
    if (!stream.readable) {
      this.#mover.watch(stream, EPOLLIN | EPOLLPRI | EPOLLRDHUP);
      return;
    }
    if (!this.#reports.takesChunk) {
      this.#wheel.set(stream, this.#table.now);
      return;
    }
    const got = this.#mover.take(stream, this.#chunk);
    if (got === 0) return;
    if (got < 0) {
      this.#table.end(stream, false);
      return;
    }
    stream.wanted = false;
    this.#reports.data(stream.handle, this.#chunk.bytes.subarray(0, got));
  }

  /** What is written goes out, then our end; unread input would turn it into a reset, so it is read, by nobody, until the peer's end. */
  #linger(stream: Stream): void {
    if (!this.#mover.flush(stream)) {
      this.#table.end(stream, false);
      return;
    }
    if (stream.front !== undefined) return;
    if (!stream.shut) {
      stream.shut = true;
      this.#calls.shutdown(stream.fd.number, SHUT_WR);
    }
    while (stream.readable) {
      if (this.#mover.take(stream, this.#chunk) < 0) {
        this.#table.end(stream, false);
        return;
      }
    }
  }

  #later(stream: Stream): void {
    if (stream.again) return;
    stream.again = true;
    this.#again.push(stream);
  }
}

/** How old a client is at least when the main thread is told of him, whom nobody asked about: most do not grow as old. */
const TELL_AFTER: Millis = 25;
