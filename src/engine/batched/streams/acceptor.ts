import type { Idler } from '../../../flow/idle-wheel.ts';
import { Arena } from '../../../sys/arena.ts';
import { errno } from '../../../sys/ffi.ts';
import { type Libc, libc } from '../../../sys/libc.ts';
import { type StreamCalls, streamCalls } from '../../../sys/stream-calls.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../../sys/stream-socket.ts';
import { LISTEN_ANY, SOCKADDR_STRIDE } from './messages.ts';
import type { Ends } from './reports.ts';
import type { Seats } from './seats.ts';
import type { Standing } from './standing.ts';

/** A listener as a worker sees it. The descriptor is the main thread's. */
export class Accepting implements Idler {
  readonly id: number;
  readonly number: number;
  readonly mostStreams: number;
  readonly #seats: Seats;
  readonly #seat: number;
  readonly kind: number;
  /** What becomes of its clients, without a question. */
  standing: Standing | undefined = undefined;
  /** Of pairs that ended before the main thread was told of them. */
  totals = { connections: 0, toUpstream: 0, toClient: 0 };
  /** How many of its clients the main thread does not know of. */
  untold = 0;
  slot = -1;

  constructor(id: number, number: number, mostStreams: number, seats: Seats, seat: number, kind: number) {
    this.id = id;
    this.number = number;
    this.mostStreams = mostStreams;
    this.#seats = seats;
    this.#seat = seat;
    this.kind = kind;
  }

  /** A place for one stream more, among all workers: which it is, from 1; 0 when all are taken. */
  takeSeat(): number {
    return this.#seats.take(this.#seat, this.mostStreams);
  }

  leaveSeat(): void {
    this.#seats.leave(this.#seat);
  }

  /** By what stands there, unless the main thread has thought of something else: then it is asked, though its orders are still under way. */
  decisionFor(seat: number): Standing | undefined {
    const { standing } = this;
    if (standing === undefined || seat > standing.most) return undefined;
    return standing.version === this.#seats.version(this.#seat) ? standing : undefined;
  }

  /** Whose turn it is of the targets of its standing decision, among all workers. */
  takeTurn(): number {
    return this.#seats.takeTurn(this.#seat);
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
  /** Of those who are told of later, by descriptor: of a client who is gone the kernel would not know any more. */
  #remotes = new Int32Array(1024 * SOCKADDR_WORDS);

  /** The number of a new descriptor, which belongs to the caller. */
  accept(listener: Accepting): number | NotAccepted {
    const { address, words } = this.#room;
    words[LENGTH_AT >> 2] = SOCKADDR_STRIDE;
    const number = this.#calls.accept4(listener.number, address, address + LENGTH_AT, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (number < 0) return REFUSALS.get(errno()) ?? 'gone';
    if (listener.standing === undefined) this.#askLocal(number, listener);
    else this.#remember(number);
    return number;
  }

  /** Of one that was accepted where a decision stood. */
  recall(number: number, listener: Accepting): void {
    const { words } = this.#room;
    const at = number * SOCKADDR_WORDS;
    for (let n = 0; n < SOCKADDR_WORDS; n++) words[(REMOTE >> 2) + n] = this.#remotes[at + n] ?? 0;
    this.#askLocal(number, listener);
  }

  #remember(number: number): void {
    const { words } = this.#room;
    const at = number * SOCKADDR_WORDS;
    if (at >= this.#remotes.length) {
      const more = new Int32Array(Math.max(2 * this.#remotes.length, at + SOCKADDR_WORDS));
      more.set(this.#remotes);
      this.#remotes = more;
    }
    for (let n = 0; n < SOCKADDR_WORDS; n++) this.#remotes[at + n] = words[(REMOTE >> 2) + n] ?? 0;
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
const SOCKADDR_WORDS = SOCKADDR_STRIDE / 4;
/** EAGAIN, EINVAL (closed meanwhile); EMFILE, ENFILE, ENOBUFS, ENOMEM. */
const REFUSALS: ReadonlyMap<number, NotAccepted> = new Map([
  [11, 'none'],
  [22, 'none'],
  [24, 'exhausted'],
  [23, 'exhausted'],
  [105, 'exhausted'],
  [12, 'exhausted'],
]);
