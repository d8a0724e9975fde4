import { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import { EdgePoll, EPOLLIN } from '../../../sys/edge-poll.ts';
import { EINTR, SystemError } from '../../../sys/errno.ts';
import { Fd } from '../../../sys/fd.ts';
import { addressOf } from '../../../sys/ffi.ts';
import { RingReader } from '../ring.ts';
import { Accepting, Acceptor } from './acceptor.ts';
import { dial } from './dial.ts';
import {
  COMMAND,
  CONNECT_BYTES,
  CONNECT_FAMILY,
  CONNECT_FIRST_SIZE,
  CONNECT_IDLE,
  CONNECT_KEEP_ALIVE,
  CONNECT_SERVICE,
  CONNECT_SIZES,
  CONNECT_SOURCE,
  CONNECT_TARGET,
  CONNECT_WITH,
  type StreamMemory,
} from './messages.ts';
import { Reports } from './reports.ts';
import { isDecision, Standing } from './standing.ts';
import { type Joining, Stream, UNTOLD } from './stream.ts';
import { WorkerStreams } from './worker-streams.ts';

/**
 * The loop of a worker: waits for the kernel, does what can be done, tells the main thread, and does what that orders.
 *
 *   epoll ─▶ accept, connect, splice ─▶ reports ─▶ main thread ─▶ services ─▶ commands ─▶ eventfd ─▶ epoll
 */
export class StreamLoop {
  readonly #poll = new EdgePoll(EVENTS);
  readonly #wheel = new IdleWheel<Stream | Accepting>(TICK);
  readonly #acceptor = new Acceptor();
  readonly #commands: RingReader;
  readonly #commandsAddress: number;
  readonly #reports: Reports;
  readonly #streams: WorkerStreams;
  readonly #seats: Int32Array;
  readonly #owned: Uint8Array;
  readonly #listeners = new Map<number, Accepting>();
  #now: Millis = performance.now();
  #stopped = false;

  /** `bell`: number of the eventfd that the main thread rings for a sleeper. */
  constructor(memory: StreamMemory, bell: number) {
    this.#commands = new RingReader(memory.commands);
    this.#commandsAddress = addressOf(memory.commands.messages);
    this.#reports = new Reports(memory.reports);
    this.#seats = new Int32Array(memory.seats);
    this.#owned = new Uint8Array(memory.owned);
    this.#owned[this.#poll.descriptor] = 1;
    this.#streams = new WorkerStreams(memory, this.#poll, this.#wheel, this.#reports, this.#acceptor);
    // Each ring is an edge: nobody needs to read the bell.
    this.#poll.add(bell, EPOLLIN);
  }

  /** Until the main thread says stop. */
  run(): void {
    this.#reports.begun();
    try {
      while (!this.#stopped) this.#turn();
    } finally {
      this.#streams.closeAll();
      this.#owned[this.#poll.descriptor] = 0;
      this.#poll.close();
    }
  }

  #turn(): void {
    this.#streams.table.turn += 1;
    const ready = this.#poll.wait(this.#patience());
    if (ready < 0 && ready !== -EINTR) throw new SystemError('epoll_wait', -ready);
    this.#commands.wakeUp();
    this.#now = performance.now();
    this.#streams.now = this.#now;
    this.#streams.goOn();
    for (let n = 0; n < ready; n++) this.#tell(this.#poll.number(n), this.#poll.events(n));
    // The bounds let the kernel's news have their turn too.
    for (let n = 0; n < COMMANDS && !this.#stopped && this.#commands.next(); n++) {
      this.#obey(this.#commands.kind, this.#commands.id, this.#commands.body);
      this.#commands.release();
    }
    if (this.#wheel.next() <= this.#now) this.#tick();
    this.#streams.untold.tellTotals(this.#now);
    this.#reports.flush(this.#now, ready <= 0);
  }

  #patience(): number {
    if (this.#streams.busy || this.#reports.urgent || !this.#commands.sleep()) return 0;
    if (!this.#reports.roomy) return 1;
    const { untold } = this.#streams;
    const next = Math.min(this.#wheel.next(), this.#reports.dueAt, untold.dueAt) - performance.now();
    return Math.max(0, Math.min(LONGEST_SLEEP, Math.ceil(next)));
  }

  #tell(number: number, events: number): void {
    const stream = this.#streams.table.ofEvent(number);
    if (stream !== undefined) {
      this.#streams.tell(stream, events);
      return;
    }
    const listener = this.#listeners.get(number);
    if (listener !== undefined) this.#accept(listener);
  }

  #accept(listener: Accepting): void {
    for (let n = 0; n < ACCEPTS; n++) {
      if (!this.#reports.takesStream) {
        this.#pause(listener, TICK);
        return;
      }
      const got = this.#acceptor.accept(listener);
      if (got === 'none') return;
      if (got === 'gone') continue;
      if (got === 'exhausted') {
        // It would be told of again at once: whoever has nothing left had better wait until something is given back.
        this.#streams.table.drop('accept-failed');
        this.#pause(listener, REST);
        return;
      }
      this.#take(listener, got);
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
    const { standing } = listener;
    if (standing === undefined) this.#streams.untold.opened(client);
    else if (seat <= standing.most) this.#streams.serve(standing, listener.takeTurn(), client);
    else this.#streams.untold.ask(client, this.#now);
  }

  /** Nobody is accepted there for a while. */
  #pause(listener: Accepting, time: Millis): void {
    this.#poll.remove(listener.number);
    this.#wheel.set(listener, this.#now + time);
  }

  #tick(): void {
    for (const entry of this.#wheel.takeDue(this.#now)) {
      if (entry instanceof Stream) this.#streams.due(entry);
      else this.#poll.addShared(entry.number);
    }
  }

  #obey(kind: number, id: number, body: number): void {
    switch (kind) {
      case COMMAND.listen:
        this.#listen(id, body);
        return;
      case COMMAND.unlisten:
        this.#unlisten(id, this.#commands.word(body) === 1);
        return;
      case COMMAND.connect:
        this.#connect(id, body);
        return;
      case COMMAND.read:
        this.#streams.read(id);
        return;
      case COMMAND.write:
        this.#streams.write(id, this.#bytes(body + 8, this.#commands.word(body)));
        return;
      case COMMAND.join:
        this.#streams.join(
          id,
          this.#commands.number(body),
          this.#commands.word(body + 8),
          this.#commands.number(body + 16),
        );
        return;
      case COMMAND.close:
        this.#streams.close(id);
        return;
      case COMMAND.release:
        this.#streams.release(id);
        return;
      case COMMAND.adopt:
        this.#streams.adopt(id, this.#commands.word(body));
        return;
      case COMMAND.stand:
        this.#stand(id, body);
        return;
      case COMMAND.stop:
        this.#stopped = true;
        return;
      default:
        throw new Error(`a command of kind ${kind}`);
    }
  }

  #listen(id: number, body: number): void {
    const at = (place: number): number => this.#commands.word(body + 4 * place);
    const listener = new Accepting(id, at(0), at(1), this.#seats, at(2), at(3));
    this.#listeners.set(listener.number, listener);
    this.#poll.addShared(listener.number);
  }

  #stand(id: number, body: number): void {
    for (const listener of this.#listeners.values()) {
      if (listener.id !== id) continue;
      listener.standing = isDecision(this.#commands, body) ? new Standing(this.#commands, body) : undefined;
      // Whoever changes his mind wants to know whom he has.
      this.#streams.untold.tellAll(listener, this.#now);
      return;
    }
  }

  #unlisten(id: number, cut: boolean): void {
    for (const listener of this.#listeners.values()) {
      if (listener.id !== id) continue;
      this.#listeners.delete(listener.number);
      this.#wheel.clear(listener);
      this.#poll.remove(listener.number);
      if (cut) this.#streams.table.cutAllOf(listener);
      this.#reports.unlistened(id);
      return;
    }
  }

  #connect(id: number, body: number): void {
    const commands = this.#commands;
    const family = commands.word(body + CONNECT_FAMILY);
    const idle = commands.word(body + CONNECT_KEEP_ALIVE);
    const [interval, count] = [
      commands.word(body + CONNECT_KEEP_ALIVE + 4),
      commands.word(body + CONNECT_KEEP_ALIVE + 8),
    ];
    const keepAlive = idle > 0 ? { idle, interval, count } : undefined;
    const dialled = dial(
      family === 4 || family === 6 ? family : 'unix',
      this.#commandsAddress + body + CONNECT_TARGET,
      commands.word(body + CONNECT_SIZES),
      this.#commandsAddress + body + CONNECT_SOURCE,
      commands.word(body + CONNECT_SIZES + 4),
    );
    this.#streams.connect(id, dialled, commands.number(body), keepAlive, this.#joining(body));
  }

  #joining(body: number): Joining | undefined {
    const commands = this.#commands;
    const client = commands.number(body + CONNECT_WITH);
    if (client === 0) return undefined;
    const size = commands.word(body + CONNECT_FIRST_SIZE);
    return {
      client,
      service: commands.word(body + CONNECT_SERVICE),
      idle: commands.number(body + CONNECT_IDLE),
      first: size > 0 ? this.#bytes(body + CONNECT_BYTES, size) : undefined,
    };
  }

  /** A copy of what lies in the ring. */
  #bytes(at: number, size: number): Uint8Array {
    return Uint8Array.from(this.#commands.bytes.subarray(at, at + size));
  }
}

const EVENTS = 512;
/** Connections of one listener in a turn. */
const ACCEPTS = 64;
const COMMANDS = 1024;
/** How exact timeouts are. */
const TICK: Millis = 25;
/** Of a listener for which there are no descriptors. */
const REST: Millis = 100;
/** So that the end of the thread, asked for from outside, is noticed. */
const LONGEST_SLEEP: Millis = 1000;
