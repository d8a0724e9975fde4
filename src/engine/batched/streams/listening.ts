import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import type { EdgePoll } from '../../../sys/edge-poll.ts';
import { Fd } from '../../../sys/fd.ts';
import type { RingReader } from '../ring.ts';
import { Accepting, type Acceptor } from './acceptor.ts';
import type { StreamMemory } from './messages.ts';
import type { Reports } from './reports.ts';
import { Seats } from './seats.ts';
import { isDecision, Standing } from './standing.ts';
import { type Stream, UNTOLD } from './stream.ts';
import type { WorkerStreams } from './worker-streams.ts';

/** The listeners of a worker: who is accepted there, and when the main thread knows of everybody. */
export class Listening {
  readonly #poll: EdgePoll;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  readonly #acceptor: Acceptor;
  readonly #reports: Reports;
  readonly #streams: WorkerStreams;
  readonly #seats: Seats;
  readonly #byNumber = new Map<number, Accepting>();
  /** Which accept no more, while the main thread does not know of all whom they did accept. */
  readonly #leaving = new Set<Accepting>();
  /** Numbers of the main thread's questions. */
  #asked: number[] = [];

  constructor(
    memory: StreamMemory,
    poll: EdgePoll,
    wheel: IdleWheel<Stream | Accepting>,
    acceptor: Acceptor,
    reports: Reports,
    streams: WorkerStreams,
  ) {
    this.#seats = new Seats(memory.seats, memory.workers, memory.own);
    this.#poll = poll;
    this.#wheel = wheel;
    this.#acceptor = acceptor;
    this.#reports = reports;
    this.#streams = streams;
  }

  get(number: number): Accepting | undefined {
    return this.#byNumber.get(number);
  }

  listen(id: number, commands: RingReader, body: number): void {
    const at = (place: number): number => commands.word(body + 4 * place);
    const listener = new Accepting(id, at(0), at(1), this.#seats, at(2), at(3));
    this.#byNumber.set(listener.number, listener);
    this.resume(listener);
  }

  stand(id: number, commands: RingReader, body: number): void {
    const listener = this.#find(id);
    if (listener === undefined) return;
    listener.standing = isDecision(commands, body) ? new Standing(commands, body) : undefined;
    // Whoever changes his mind wants to know whom he has.
    this.#streams.untold.tellAll(listener);
  }

  unlisten(id: number, cut: boolean): void {
    const listener = this.#find(id);
    if (listener === undefined) return;
    this.#byNumber.delete(listener.number);
    this.#wheel.clear(listener);
    this.#poll.remove(listener.number);
    listener.standing = undefined;
    if (cut) this.#streams.table.cutAllOf(listener);
    else this.#streams.untold.tellAll(listener);
    this.#leaving.add(listener);
  }

  /** `question` is to be answered when the main thread knows of everybody where nothing stands. */
  ask(question: number): void {
    this.#asked.push(question);
  }

  /** As many as there are, in turns. */
  accept(listener: Accepting): void {
    for (let n = 0; n < ACCEPTS; n++) {
      if (!this.#reports.takesStream) {
        this.#pause(listener, BREATH);
        return;
      }
      const { headroom, table } = this.#streams;
      this.#tellOwed();
      if (!headroom.allows(OF_A_CLIENT, this.#seats.owed)) {
        // He waits in the backlog: here he would take what others need to be served.
        if (n > 0) return;
        table.drop('accept-deferred');
        this.#pause(listener, REST);
        return;
      }
      const got = this.#acceptor.accept(listener);
      if (got === 'none') return;
      if (got === 'gone') continue;
      if (got === 'exhausted') {
        // It would be told of again at once: whoever has nothing left had better wait until something is given back.
        table.drop('accept-failed');
        this.#pause(listener, REST);
        return;
      }
      this.#take(listener, got);
    }
  }

  /** After a pause. */
  resume(listener: Accepting): void {
    this.#poll.addShared(listener.number);
  }

  /** Tells the other workers what is owed here, and answers what can be answered by now; for every turn. */
  answer(): void {
    this.#tellOwed();
    if (this.#leaving.size > 0) this.#leave();
    if (this.#asked.length > 0 && this.#knowsAll()) {
      for (const question of this.#asked) this.#reports.told(question);
      this.#asked = [];
    }
  }

  #take(listener: Accepting, number: number): void {
    const fd = new Fd(number, 'accepted stream');
    const seat = listener.takeSeat();
    if (seat === 0) {
      this.#streams.table.drop('too-many-streams');
      fd.close();
      return;
    }
    const client = this.#streams.table.add(UNTOLD, fd, listener, 'held');
    const decision = listener.decisionFor(seat);
    if (decision !== undefined) this.#streams.connecting.connectBy(decision, listener.takeTurn(), client);
    else if (listener.standing === undefined) this.#streams.untold.opened(client);
    else this.#streams.untold.ask(client);
  }

  /** Nobody is accepted there for a while. */
  #pause(listener: Accepting, time: Millis): void {
    this.#poll.remove(listener.number);
    this.#wheel.set(listener, this.#streams.table.now + time);
  }

  /** Connects of the service's own may be more than clients. */
  #tellOwed(): void {
    this.#seats.owe(Math.max(0, this.#streams.table.unserved));
  }

  #leave(): void {
    const { uncounted } = this.#streams.table;
    for (const listener of this.#leaving) {
      if (listener.untold > 0 || uncounted.has(listener)) continue;
      this.#leaving.delete(listener);
      this.#reports.unlistened(listener.id);
    }
  }

  #knowsAll(): boolean {
    for (const { standing, untold } of this.#byNumber.values()) if (standing === undefined && untold > 0) return false;
    for (const { untold } of this.#leaving) if (untold > 0) return false;
    return true;
  }

  #find(id: number): Accepting | undefined {
    for (const listener of this.#byNumber.values()) if (listener.id === id) return listener;
    return undefined;
  }
}

/** Connections of one listener in a turn. */
const ACCEPTS = 64;
/** Descriptors: his, his upstream's, and a pipe. */
const OF_A_CLIENT = 4;
/** Until the main thread has read what it was told. */
const BREATH: Millis = 25;
/** Of a listener for which there are no descriptors. */
const REST: Millis = 100;
