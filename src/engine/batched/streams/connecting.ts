import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import { SECOND } from '../../../net/time.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../../sys/edge-poll.ts';
import { connectError, type KeepAliveSeconds } from '../../../sys/stream-socket.ts';
import type { Accepting } from './acceptor.ts';
import type { Carrying } from './carrying.ts';
import type { Dialled } from './dial.ts';
import type { Mover } from './mover.ts';
import type { Reports } from './reports.ts';
import type { Standing } from './standing.ts';
import { type Joining, type Stream, UNTOLD } from './stream.ts';
import type { StreamTable } from './table.ts';
import type { Untold } from './untold.ts';

/** Streams from the call that makes them to their join, or to the answer of whoever ordered them. */
export class Connecting {
  readonly #table: StreamTable;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  readonly #reports: Reports;
  readonly #mover: Mover;
  readonly #untold: Untold;
  readonly #carrying: Carrying;

  constructor(
    table: StreamTable,
    wheel: IdleWheel<Stream | Accepting>,
    reports: Reports,
    mover: Mover,
    untold: Untold,
    carrying: Carrying,
  ) {
    this.#table = table;
    this.#wheel = wheel;
    this.#reports = reports;
    this.#mover = mover;
    this.#untold = untold;
    this.#carrying = carrying;
  }

  /** At the service's word. */
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
    const stream = this.#table.add(handle, fd, undefined, 'connecting');
    stream.keepAlive = keepAlive;
    stream.joining = joining;
    this.#await(stream, errno, timeout);
  }

  /** For a client about whom nobody need be asked. */
  connectBy(standing: Standing, turn: number, client: Stream): void {
    const { fd, errno } = standing.dial(turn);
    client.tag = standing.tag;
    if (fd === undefined) {
      client.refusal = errno;
      this.#untold.ask(client);
      return;
    }
    const upstream = this.#table.add(UNTOLD, fd, undefined, 'connecting');
    upstream.keepAlive = standing.keepAlive;
    upstream.joining = standing;
    upstream.partner = client;
    client.partner = upstream;
    this.#await(upstream, errno, standing.timeout);
  }

  /** What the kernel tells of one that is being connected. */
  tell(stream: Stream, events: number): void {
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) === 0) return;
    const failure = (events & (EPOLLERR | EPOLLHUP)) === 0 ? 0 : connectError(stream.fd);
    if (failure === 0) this.#settled(stream);
    else this.#refused(stream, failure);
  }

  /** It took as long as it may. */
  late(stream: Stream): void {
    this.#refused(stream, ETIMEDOUT);
  }

  #await(stream: Stream, errno: number, timeout: Millis): void {
    if (errno === 0) {
      this.#settled(stream);
      return;
    }
    stream.readable = false;
    this.#mover.watch(stream, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP);
    this.#wheel.set(stream, this.#table.now + timeout);
  }

  #settled(stream: Stream): void {
    stream.state = 'held';
    if (stream.handle === UNTOLD) {
      this.#serve(stream);
      return;
    }
    const { joining } = stream;
    if (stream.keepAlive === undefined) this.#wheel.clear(stream);
    else this.#wheel.set(stream, this.#table.now + SETTLED_AFTER);
    this.#reports.connected(stream.handle, 0, stream.fd.number, joining === undefined);
    if (joining === undefined) {
      // What was written meanwhile.
      this.#carrying.serve(stream);
      return;
    }
    stream.joining = undefined;
    stream.front = joining.first ?? stream.front;
    this.#carrying.join(joining.client, stream.handle, joining.service, joining.idle);
  }

  /** Its keep-alive comes when the connect would have been late: two changes of the wheel are saved to most. */
  #serve(upstream: Stream): void {
    const { joining, partner: client } = upstream;
    if (joining === undefined || client === undefined) return;
    this.#carrying.couple(client, upstream, joining.service, joining.idle);
    // Whoever thought of something else meanwhile wants to know of him now: he may be one of those whom it is about.
    if (client.state === 'joined' && client.listener?.standing !== joining) this.#untold.tell(client);
  }

  #refused(stream: Stream, reason: number): void {
    if (stream.handle === UNTOLD) {
      const client = stream.partner;
      stream.partner = undefined;
      this.#table.end(stream, false);
      if (client === undefined) return;
      client.partner = undefined;
      client.refusal = reason;
      this.#untold.ask(client);
      return;
    }
    this.#table.forget(stream);
    this.#table.end(stream, false);
    this.#reports.connected(stream.handle, reason, 0, true);
  }
}

/** How old a connection is when it gets its keep-alive: most do not grow as old. */
const SETTLED_AFTER: Millis = SECOND;
const ETIMEDOUT = 110;
