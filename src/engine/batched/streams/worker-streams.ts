import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import { SECOND } from '../../../net/time.ts';
import { type EdgePoll, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../../sys/edge-poll.ts';
import { Fd } from '../../../sys/fd.ts';
import { probeSilence } from '../../../sys/stream-socket.ts';
import { Headroom } from '../../portable/headroom.ts';
import type { Accepting, Acceptor } from './acceptor.ts';
import { Carrying } from './carrying.ts';
import { Connecting } from './connecting.ts';
import type { StreamMemory } from './messages.ts';
import { Mover } from './mover.ts';
import { Pipes } from './pipes.ts';
import type { Reports } from './reports.ts';
import { type Stream, UNTOLD } from './stream.ts';
import { StreamTable } from './table.ts';
import { Untold } from './untold.ts';

/** What a worker does with its streams: at the service's word, and when the kernel tells of something. */
export class WorkerStreams {
  readonly table: StreamTable;
  readonly untold: Untold;
  readonly carrying: Carrying;
  readonly connecting: Connecting;
  readonly headroom: Headroom;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  readonly #reports: Reports;
  readonly #poll: EdgePoll;
  readonly #pipes: Pipes;

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
    this.headroom = new Headroom(memory.workers);
    this.#pipes = new Pipes(new Uint8Array(memory.owned), this.headroom);
    const mover = new Mover(poll, this.#pipes, memory);
    this.table = new StreamTable(memory, wheel, this.#pipes, reports);
    this.untold = new Untold(this.table, acceptor, reports, wheel);
    this.carrying = new Carrying(this.table, wheel, reports, mover);
    this.connecting = new Connecting(this.table, wheel, reports, mover, this.untold, this.carrying);
  }

  read(handle: number): void {
    const stream = this.table.get(handle);
    if (stream === undefined) return;
    stream.wanted = true;
    this.carrying.serve(stream);
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
      this.carrying.serve(stream);
    }
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
    this.#keepAlive(stream);
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
      this.#wheel.set(stream, this.table.now + LINGER);
      this.carrying.serve(stream);
    }
  }

  /** `asked`: else something broke, and nothing may look complete to whoever is there. */
  closeAll(asked: boolean): void {
    if (asked) this.table.endAll();
    else this.table.cutAll();
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
      this.connecting.tell(stream, events);
    } else if ((events & EPOLLERR) !== 0 && (stream.ended || stream.state === 'held')) {
      // Nobody reads from it, so nobody else would find out.
      this.carrying.broke(stream);
    } else {
      this.carrying.serve(stream);
    }
  }

  due(stream: Stream): void {
    switch (stream.state) {
      case 'connecting':
        this.connecting.late(stream);
        return;
      case 'joined':
        if (stream.handle === UNTOLD) this.untold.tell(stream);
        this.#keepAlive(stream);
        this.#leaveIdle(stream);
        return;
      case 'held':
        if (stream.handle === UNTOLD) this.untold.ask(stream);
        this.#keepAlive(stream);
        this.carrying.serve(stream);
        return;
      case 'lingering':
      case 'gone':
        this.table.end(stream, false);
    }
  }

  #leaveIdle(stream: Stream): void {
    if (stream.idle === 0) return;
    const quietSince = Math.max(stream.active, stream.partner?.active ?? 0);
    if (quietSince + stream.idle <= this.table.now) this.table.leave(stream);
    // Who could not be told of is tried again before that.
    else if (stream.slot === -1) this.#wheel.set(stream, quietSince + stream.idle);
  }

  #keepAlive(stream: Stream): void {
    const { keepAlive } = stream;
    if (keepAlive === undefined) return;
    stream.keepAlive = undefined;
    probeSilence(stream.fd, keepAlive);
  }
}

const GONE = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const LINGER: Millis = 5 * SECOND;
/** A stream is given up whose reader takes not even what comes before the join. */
const FRONT_MOST = 4 * 1024 * 1024;
