import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import type { Fd } from '../../../sys/fd.ts';
import { resetWhenClosed } from '../../../sys/stream-socket.ts';
import type { Accepting } from './acceptor.ts';
import { DROPS, DROPS_AT, type StreamDrop, type StreamMemory } from './messages.ts';
import type { Pipes } from './pipes.ts';
import type { Reports } from './reports.ts';
import { Stream, type StreamState, UNTOLD } from './stream.ts';

/** The streams of a worker: how they come into it, and how they leave. */
export class StreamTable {
  readonly #byNumber: (Stream | undefined)[] = [];
  readonly #byHandle = new Map<number, Stream>();
  readonly #owned: Uint8Array;
  readonly #bytes: Float64Array;
  readonly #counts: Float64Array;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  readonly #pipes: Pipes;
  readonly #reports: Reports;
  /** Listeners whose totals the main thread does not know. */
  readonly uncounted = new Set<Accepting>();
  /** Of the loop, and when it began. */
  turn = 0;
  now: Millis = 0;
  /** Clients, less upstreams: so many descriptors are still wanted. */
  unserved = 0;
  #lastHandle = 0;

  constructor(memory: StreamMemory, wheel: IdleWheel<Stream | Accepting>, pipes: Pipes, reports: Reports) {
    this.#owned = new Uint8Array(memory.owned);
    this.#bytes = new Float64Array(memory.bytes);
    this.#counts = new Float64Array(memory.counts);
    this.#wheel = wheel;
    this.#pipes = pipes;
    this.#reports = reports;
  }

  add(handle: number, fd: Fd, listener: Accepting | undefined, state: StreamState): Stream {
    const stream = new Stream(handle, fd, listener, this.turn, state);
    this.#byNumber[fd.number] = stream;
    if (handle !== UNTOLD) this.#byHandle.set(handle, stream);
    else if (listener !== undefined) listener.untold += 1;
    this.unserved += listener === undefined ? -1 : 1;
    this.#owned[fd.number] = 1;
    this.#bytes[fd.number] = 0;
    return stream;
  }

  /** Whose event it is; undefined for one of an earlier owner of the number. */
  ofEvent(number: number): Stream | undefined {
    const stream = this.#byNumber[number];
    return stream?.born === this.turn ? undefined : stream;
  }

  get(handle: number): Stream | undefined {
    return this.#byHandle.get(handle);
  }

  /** The main thread is about to be told of it. */
  name(stream: Stream): void {
    this.#lastHandle -= 1;
    stream.handle = this.#lastHandle;
    this.#byHandle.set(stream.handle, stream);
    if (stream.listener !== undefined) stream.listener.untold -= 1;
  }

  /** Those of a listener of whom the main thread does not know. */
  untoldOf(listener: Accepting): Stream[] {
    if (listener.untold === 0) return [];
    return this.#byNumber.filter((stream) => stream?.listener === listener && stream.handle === UNTOLD) as Stream[];
  }

  /** Nobody asks for it any more. */
  forget(stream: Stream): void {
    this.#byHandle.delete(stream.handle);
  }

  /** Another thread has it from now on, by the number of its descriptor; until it says so, what is left of this worker is still to be closed with it. */
  giveAway(stream: Stream): number {
    stream.state = 'gone';
    this.unserved += stream.listener === undefined ? 1 : -1;
    this.#wheel.clear(stream);
    this.#byHandle.delete(stream.handle);
    this.#byNumber[stream.fd.number] = undefined;
    return stream.fd.giveAway();
  }

  /** The service is told, unless it does not know the stream any more. */
  end(stream: Stream, clean: boolean): void {
    const { state } = stream;
    if (state === 'gone') return;
    stream.state = 'gone';
    this.unserved += stream.listener === undefined ? 1 : -1;
    this.#wheel.clear(stream);
    if (stream.pipe !== undefined) {
      if (stream.piped > 0) this.#pipes.discard(stream.pipe);
      else this.#pipes.give(stream.pipe);
      stream.pipe = undefined;
    }
    stream.front = undefined;
    stream.rest = undefined;
    const { number } = stream.fd;
    this.#byNumber[number] = undefined;
    this.#owned[number] = 0;
    // From here on the number may be somebody else's.
    stream.fd.close();
    stream.listener?.leaveSeat();
    if (stream.handle === UNTOLD) this.#count(stream, state === 'joined');
    else if (this.#byHandle.delete(stream.handle)) this.#reports.closed(stream.handle, stream.bytes, clean);
  }

  /** Both ends of a pair, or a stream alone. What one side lost must not look complete to the other: resets, not ends. */
  cut(stream: Stream): void {
    const { partner } = stream;
    for (const end of [stream, partner]) {
      if (end === undefined || end.state === 'gone') continue;
      resetWhenClosed(end.fd);
      this.end(end, false);
    }
  }

  /** Both ends of a pair, because we want it so: nothing broke. */
  leave(stream: Stream): void {
    this.end(stream, false);
    if (stream.partner !== undefined) this.end(stream.partner, false);
  }

  /** Cuts what was accepted at a listener. */
  cutAllOf(listener: Accepting): void {
    for (const stream of this.#byNumber) if (stream?.listener === listener) this.cut(stream);
  }

  cutAll(): void {
    for (const stream of this.#byNumber) if (stream !== undefined) this.cut(stream);
  }

  endAll(): void {
    for (const stream of this.#byNumber) if (stream !== undefined) this.end(stream, false);
  }

  /** For the totals of a listener. The end of an upstream comes to it by the client. */
  #count(stream: Stream, served: boolean): void {
    const { bytes, listener = stream.partner?.listener } = stream;
    if (stream.listener !== undefined) stream.listener.untold -= 1;
    if (listener === undefined || !served) return;
    this.uncounted.add(listener);
    const { totals } = listener;
    if (listener === stream.listener) {
      totals.connections += 1;
      totals.toUpstream += bytes;
    } else {
      totals.toClient += bytes;
    }
  }

  drop(reason: StreamDrop): void {
    const at = DROPS_AT + DROPS.indexOf(reason);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }
}
