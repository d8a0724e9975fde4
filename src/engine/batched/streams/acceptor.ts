import type { Idler } from '../../../flow/idle-wheel.ts';
import { Arena } from '../../../sys/arena.ts';
import { errno } from '../../../sys/ffi.ts';
import { type Libc, libc } from '../../../sys/libc.ts';
import { type StreamCalls, streamCalls } from '../../../sys/stream-calls.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../../sys/stream-socket.ts';
import { LISTEN_ANY, SOCKADDR_STRIDE } from './messages.ts';
import type { Ends } from './reports.ts';
import type { Standing } from './standing.ts';

/** A listener as a worker sees it. The descriptor is the main thread's. */
export class Accepting implements Idler {
  readonly id: number;
  readonly number: number;
  readonly mostStreams: number;
  readonly #seats: Int32Array;
  readonly #seatsAt: number;
  readonly kind: number;
  /** What becomes of its clients, without a question. */
  standing: Standing | undefined = undefined;
  /** Of pairs that ended before the main thread was told of them. */
  totals = { connections: 0, toUpstream: 0, toClient: 0 };
  /** How many of its clients the main thread does not know of. */
  untold = 0;
  slot = -1;

  constructor(id: number, number: number, mostStreams: number, seats: Int32Array, seatsAt: number, kind: number) {
    this.id = id;
    this.number = number;
    this.mostStreams = mostStreams;
    this.#seats = seats;
    this.#seatsAt = seatsAt;
    this.kind = kind;
  }

  /** A place for one stream more, among all workers: which it is, from 1; 0 when all are taken. */
  takeSeat(): number {
    const seat = Atomics.add(this.#seats, this.#seatsAt, 1) + 1;
    if (seat <= this.mostStreams) return seat;
    this.leaveSeat();
    return 0;
  }

  leaveSeat(): void {
    Atomics.sub(this.#seats, this.#seatsAt, 1);
  }

  /** Whose turn it is of the targets of its standing decision, among all workers. */
  takeTurn(): number {
    return Atomics.add(this.#seats, this.#seatsAt + 1, 1) >>> 0;
  }
}

/** Why there is no connection: none waits, this one was gone already, or there is nothing left to make it with. */
export type NotAccepted = 'none' | 'gone' | 'exhausted';

/** Accepts, and says who came where: in `ends`, of the last one, with the family 0 where there is nothing to say. */
export class Acceptor {
  readonly #room = new Arena(2 * SOCKADDR_STRIDE + 8);
  readonly ends: Ends = { words: this.#room.words, remote: REMOTE, local: LOCAL };
  readonly #calls: StreamCalls = streamCalls();
  readonly #libc: Libc = libc();

  /** The number of a new descriptor, which belongs to the caller. */
  accept(listener: Accepting): number | NotAccepted {
    const { address, words } = this.#room;
    words[LENGTH_AT >> 2] = SOCKADDR_STRIDE;
    const number = this.#calls.accept4(listener.number, address, address + LENGTH_AT, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (number < 0) return REFUSALS.get(errno()) ?? 'gone';
    if (listener.standing === undefined) this.#askLocal(number, listener);
    return number;
  }

  /** Of one that was accepted before. False when he is gone. */
  ask(number: number, listener: Accepting): boolean {
    const { address, words } = this.#room;
    words[LENGTH_AT >> 2] = SOCKADDR_STRIDE;
    words[REMOTE >> 2] = 0;
    if (this.#libc.getpeername(number, address + REMOTE, address + LENGTH_AT) < 0) return false;
    this.#askLocal(number, listener);
    return true;
  }

  #askLocal(number: number, { kind }: Accepting): void {
    const { address, words } = this.#room;
    // Without an address at all it stays 0: the main thread knows where the listener is bound.
    words[LOCAL >> 2] = 0;
    if (kind !== LISTEN_ANY) return;
    words[LENGTH_AT >> 2] = SOCKADDR_STRIDE;
    this.#libc.getsockname(number, address + LOCAL, address + LENGTH_AT);
  }
}

const REMOTE = 0;
const LOCAL = SOCKADDR_STRIDE;
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
