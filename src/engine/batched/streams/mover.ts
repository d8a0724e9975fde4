import { Arena } from '../../../sys/arena.ts';
import { type EdgePoll, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../../sys/edge-poll.ts';
import { EAGAIN, EINTR, EINVAL } from '../../../sys/errno.ts';
import { errno } from '../../../sys/ffi.ts';
import { type StreamCalls, streamCalls } from '../../../sys/stream-calls.ts';
import { MSG_NOSIGNAL, SPLICE_F_MOVE, SPLICE_F_NONBLOCK, sendAtOnce } from '../../../sys/stream-socket.ts';
import type { StreamMemory } from './messages.ts';
import type { Pipes } from './pipes.ts';
import type { Stream } from './stream.ts';

/** What a move came to. */
export type Moved =
  /** Nothing more to do until the kernel tells of something. */
  | 'waits'
  /** Its share of this turn is used up. */
  | 'more'
  /** The source has ended, and all that it said is with the sink. */
  | 'ended'
  | 'broken';

/**
 * Moves bytes from stream to stream: little by copying, much by splicing. Takes no more from a source than it can hand on or hold for it: what
 * one pipe, or one copy, has room for.
 */
export class Mover {
  readonly #calls: StreamCalls = streamCalls();
  readonly #poll: EdgePoll;
  readonly #pipes: Pipes;
  readonly #counts: Float64Array;
  readonly #bytes: Float64Array;
  readonly #room = new Arena(COPY_BYTES_ALONE);
  /** Off where a sandbox or a kind of socket does not allow it. */
  #splices = true;

  constructor(poll: EdgePoll, pipes: Pipes, { counts, bytes }: StreamMemory) {
    this.#poll = poll;
    this.#pipes = pipes;
    this.#counts = new Float64Array(counts);
    this.#bytes = new Float64Array(bytes);
  }

  move(source: Stream, sink: Stream): Moved {
    const moved = this.#move(source, sink);
    if (source.pipe !== undefined && source.piped === 0) {
      this.#pipes.give(source.pipe);
      source.pipe = undefined;
    }
    return moved;
  }

  /** Sends what was written to a stream; false when it is broken. */
  flush(stream: Stream): boolean {
    if (stream.front === undefined) return true;
    const left = this.#send(stream, stream.front);
    if (left === undefined) return false;
    stream.front = left.length > 0 ? left : undefined;
    return true;
  }

  /** Reads what is there into `room`: how much, 0 when nothing is, −1 when nothing will come any more. */
  take(stream: Stream, room: Arena): number {
    const got = this.#calls.recv(stream.fd.number, room.address, room.bytes.length, 0);
    if (got > 0) return got;
    return this.#nothing(stream, got) < 0 || stream.ended ? -1 : 0;
  }

  /** Asks the kernel for what the stream now waits for. Each is asked for once. */
  watch(stream: Stream, events: number): void {
    const wanted = stream.watched | events;
    if (wanted === stream.watched) return;
    const number = stream.fd.number;
    // The kernel has no memory for it: then the stream is as good as broken, and its timeouts or its peer will end it.
    if (stream.watched === 0 ? this.#poll.add(number, wanted) : this.#poll.change(number, wanted))
      stream.watched = wanted;
  }

  #move(source: Stream, sink: Stream): Moved {
    for (let round = 0; round < ROUNDS; round++) {
      if (!this.#deliver(source, sink)) return 'broken';
      if (source.piped > 0 || source.rest !== undefined || sink.front !== undefined) return 'waits';
      if (source.ended) return 'ended';
      if (!source.readable || !sink.writable) return 'waits';
      const got = source.bulk && this.#splices && !source.urgent ? this.#splice(source) : this.#copy(source, sink);
      if (got < 0) return 'broken';
      source.bytes += got;
      this.#bytes[source.fd.number] = source.bytes;
      this.#counts[source.countAt] = (this.#counts[source.countAt] ?? 0) + got;
    }
    return 'more';
  }

  /** Hands on what is there, as far as the sink takes it. False: the sink is broken. */
  #deliver(source: Stream, sink: Stream): boolean {
    if (!sink.writable) return true;
    if (!this.flush(sink)) return false;
    if (source.rest !== undefined && sink.front === undefined) {
      const left = this.#send(sink, source.rest);
      if (left === undefined) return false;
      source.rest = left.length > 0 ? left : undefined;
    }
    while (source.piped > 0 && source.pipe !== undefined && sink.writable) {
      if (!sink.prompt) this.#hurry(sink);
      const sent = this.#calls.splice(source.pipe.output.number, 0, sink.fd.number, 0, source.piped, SPLICE_FLAGS);
      if (sent > 0) source.piped -= sent;
      else if (!this.#isBlocked(sink, sent)) return false;
    }
    return true;
  }

  /** Socket → pipe. How much, −1 when the source is broken. */
  #splice(source: Stream): number {
    const pipe = (source.pipe ??= this.#pipes.take());
    if (pipe === undefined) {
      source.bulk = false;
      return 0;
    }
    const most = Math.min(pipe.size, this.#pipes.share);
    const got = this.#calls.splice(source.fd.number, 0, pipe.input.number, 0, most, SPLICE_FLAGS);
    if (got > 0) {
      source.piped = got;
      if (got < COPY_BYTES) source.bulk = false;
      return got;
    }
    if (got < 0 && errno() === EINVAL) {
      this.#splices = false;
      return 0;
    }
    return this.#nothing(source, got);
  }

  /** Socket → memory → socket. How much, −1 when either is broken. */
  #copy(source: Stream, sink: Stream): number {
    const most = this.#splices ? COPY_BYTES : COPY_BYTES_ALONE;
    const got = this.#calls.recv(source.fd.number, this.#room.address, most, 0);
    if (got <= 0) return this.#nothing(source, got);
    if (got === most) source.bulk = true;
    else if (!source.urgent) {
      // A read that was not filled found everything, so what was said of the end holds for the next byte.
      if (source.finished) source.ended = true;
      else if (!source.hungUp) this.#drained(source);
    }
    if (!sink.prompt) this.#hurry(sink);
    const sent = this.#calls.send(sink.fd.number, this.#room.address, got, MSG_NOSIGNAL);
    if (sent === got) return got;
    if (sent < 0 && !this.#isBlocked(sink, sent)) return -1;
    source.rest = this.#room.bytes.slice(Math.max(sent, 0), got);
    return got;
  }

  /** What is left of it; undefined when the stream is broken. */
  #send(to: Stream, bytes: Uint8Array): Uint8Array | undefined {
    let at = 0;
    while (at < bytes.length) {
      const size = Math.min(bytes.length - at, COPY_BYTES_ALONE);
      this.#room.bytes.set(bytes.subarray(at, at + size));
      if (!to.prompt) this.#hurry(to);
      const sent = this.#calls.send(to.fd.number, this.#room.address, size, MSG_NOSIGNAL);
      if (sent > 0) at += sent;
      else if (!this.#isBlocked(to, sent)) return undefined;
      else break;
    }
    return bytes.subarray(at);
  }

  /** Before a packet: the first of a connection does not wait for others to be acknowledged, the second would. */
  #hurry(stream: Stream): void {
    stream.sends += 1;
    if (stream.sends < 2) return;
    stream.prompt = true;
    sendAtOnce(stream.fd);
  }

  /** A read brought nothing: not now, or never again. */
  #nothing(source: Stream, got: number): number {
    if (got === 0) {
      source.ended = true;
      return 0;
    }
    const reason = errno();
    if (reason === EINTR) return 0;
    if (reason !== EAGAIN) return -1;
    this.#drained(source);
    return 0;
  }

  #drained(source: Stream): void {
    source.readable = false;
    this.watch(source, EPOLLIN | EPOLLPRI | EPOLLRDHUP);
  }

  /** After a write that moved nothing: whether the stream only has no room. */
  #isBlocked(sink: Stream, sent: number): boolean {
    const reason = sent === 0 ? EAGAIN : errno();
    if (reason === EINTR) return true;
    if (reason !== EAGAIN) return false;
    sink.writable = false;
    this.watch(sink, EPOLLOUT);
    return true;
  }
}

/** Below, two copies cost less than the pages' way through a pipe. */
const COPY_BYTES = 16 * 1024;
/** Where nothing can be spliced. */
const COPY_BYTES_ALONE = 64 * 1024;
/** Chunks of one stream in one turn, for the others' sake. */
const ROUNDS = 16;
/** Never SPLICE_F_MORE: it makes small messages wait 200 ms. */
const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
