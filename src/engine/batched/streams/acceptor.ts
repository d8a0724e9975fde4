import type { Idler } from '../../../flow/idle-wheel.ts';
import { Arena } from '../../../sys/arena.ts';
import { errno } from '../../../sys/ffi.ts';
import { type Libc, libc } from '../../../sys/libc.ts';
import { type StreamCalls, streamCalls } from '../../../sys/stream-calls.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../../sys/stream-socket.ts';
import { LISTEN_ANY, SOCKADDR_STRIDE } from './messages.ts';

/** A listener as a worker sees it. The descriptor is the main thread's. */
export class Accepting implements Idler {
  readonly id: number;
  readonly number: number;
  readonly mostStreams: number;
  readonly #seats: Int32Array;
  readonly #seatsAt: number;
  readonly kind: number;
  slot = -1;

  constructor(id: number, number: number, mostStreams: number, seats: Int32Array, seatsAt: number, kind: number) {
    this.id = id;
    this.number = number;
    this.mostStreams = mostStreams;
    this.#seats = seats;
    this.#seatsAt = seatsAt;
    this.kind = kind;
  }

  /** A place for one stream more, among all workers. */
  takeSeat(): boolean {
    if (Atomics.add(this.#seats, this.#seatsAt, 1) < this.mostStreams) return true;
    this.leaveSeat();
    return false;
  }

  leaveSeat(): void {
    Atomics.sub(this.#seats, this.#seatsAt, 1);
  }
}

/** Why there is no connection: none waits, this one was gone already, or there is nothing left to make it with. */
export type NotAccepted = 'none' | 'gone' | 'exhausted';

/** Accepts, and says who came where. */
export class Acceptor {
  readonly room = new Arena(2 * SOCKADDR_STRIDE + 8);
  readonly remote = 0;
  readonly local = SOCKADDR_STRIDE;
  readonly #calls: StreamCalls = streamCalls();
  readonly #libc: Libc = libc();

  /** The number of a new descriptor, which belongs to the caller. */
  accept(listener: Accepting): number | NotAccepted {
    const { room } = this;
    room.words[LENGTH_AT >> 2] = SOCKADDR_STRIDE;
    const { address } = room;
    const number = this.#calls.accept4(listener.number, address, address + LENGTH_AT, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (number < 0) return REFUSALS.get(errno()) ?? 'gone';
    // Without an address at all it stays 0: the main thread knows where the listener is bound.
    room.words[this.local >> 2] = 0;
    if (listener.kind === LISTEN_ANY) {
      room.words[LENGTH_AT >> 2] = SOCKADDR_STRIDE;
      this.#libc.getsockname(number, address + this.local, address + LENGTH_AT);
    }
    return number;
  }
}

const LENGTH_AT = 2 * SOCKADDR_STRIDE;
/** EAGAIN, EINVAL (closed meanwhile); EMFILE, ENFILE, ENOBUFS, ENOMEM. */
const REFUSALS: ReadonlyMap<number, NotAccepted> = new Map([
  [11, 'none'],
  [22, 'none'],
  [24, 'exhausted'],
  [23, 'exhausted'],
  [105, 'exhausted'],
  [12, 'exhausted'],
]);
