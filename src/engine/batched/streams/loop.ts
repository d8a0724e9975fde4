import { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import { EdgePoll, EPOLLIN } from '../../../sys/edge-poll.ts';
import { EINTR, SystemError } from '../../../sys/errno.ts';
import { addressOf } from '../../../sys/ffi.ts';
import { decodeSockaddr } from '../../../sys/sockaddr.ts';
import { RingReader } from '../ring.ts';
import { type Accepting, Acceptor } from './acceptor.ts';
import { dial } from './dial.ts';
import { Listening } from './listening.ts';
import {
  COMMAND,
  CONNECT_BYTES,
  CONNECT_FAMILY,
  CONNECT_FIRST_SIZE,
  CONNECT_FOREIGN,
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
import { type Joining, Stream } from './stream.ts';
import { WorkerStreams } from './worker-streams.ts';

/**
 * The loop of a worker: waits for the kernel, does what can be done, tells the main thread, and does what that orders.
 *
 *   epoll ─▶ accept, connect, splice ─▶ reports ─▶ main thread ─▶ services ─▶ commands ─▶ eventfd ─▶ epoll
 */
export class StreamLoop {
  readonly #poll = new EdgePoll(EVENTS);
  readonly #wheel = new IdleWheel<Stream | Accepting>(TICK);
  readonly #commands: RingReader;
  readonly #commandsAddress: number;
  readonly #reports: Reports;
  readonly #streams: WorkerStreams;
  readonly #listening: Listening;
  readonly #owned: Uint8Array;
  #stopped = false;

  /** `bell`: number of the eventfd that the main thread rings for a sleeper. */
  constructor(memory: StreamMemory, bell: number) {
    this.#commands = new RingReader(memory.commands);
    this.#commandsAddress = addressOf(memory.commands.messages);
    this.#reports = new Reports(memory.reports);
    this.#owned = new Uint8Array(memory.owned);
    this.#owned[this.#poll.descriptor] = 1;
    const acceptor = new Acceptor();
    this.#streams = new WorkerStreams(memory, this.#poll, this.#wheel, this.#reports, acceptor);
    this.#listening = new Listening(memory, this.#poll, this.#wheel, acceptor, this.#reports, this.#streams);
    // Each ring is an edge: nobody needs to read the bell.
    this.#poll.add(bell, EPOLLIN);
  }

  /** Until the main thread says stop. */
  run(): void {
    this.#reports.begun();
    try {
      while (!this.#stopped) this.#turn();
    } finally {
      this.#streams.closeAll(this.#stopped);
      this.#owned[this.#poll.descriptor] = 0;
      this.#poll.close();
    }
  }

  #turn(): void {
    const { table, untold, carrying } = this.#streams;
    table.turn += 1;
    const ready = this.#poll.wait(this.#patience());
    if (ready < 0 && ready !== -EINTR) throw new SystemError('epoll_wait', -ready);
    this.#commands.wakeUp();
    table.now = performance.now();
    carrying.goOn();
    for (let n = 0; n < ready; n++) this.#tell(this.#poll.number(n), this.#poll.events(n));
    // The bounds let the kernel's news have their turn too.
    for (let n = 0; n < COMMANDS && !this.#stopped && this.#commands.next(); n++) {
      this.#obey(this.#commands.kind, this.#commands.id, this.#commands.body);
      this.#commands.release();
    }
    if (this.#wheel.next() <= table.now) this.#tick();
    untold.tellTotals();
    this.#listening.answer();
    this.#reports.flush(table.now, ready <= 0);
  }

  #patience(): number {
    if (this.#streams.carrying.busy || this.#reports.urgent || !this.#commands.sleep()) return 0;
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
    const listener = this.#listening.get(number);
    if (listener !== undefined) this.#listening.accept(listener);
  }

  #tick(): void {
    for (const entry of this.#wheel.takeDue(this.#streams.table.now)) {
      if (entry instanceof Stream) this.#streams.due(entry);
      else this.#listening.resume(entry);
    }
  }

  #obey(kind: number, id: number, body: number): void {
    switch (kind) {
      case COMMAND.listen:
        this.#listening.listen(id, this.#commands, body);
        return;
      case COMMAND.unlisten:
        this.#listening.unlisten(id, this.#commands.word(body) === 1);
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
        this.#streams.carrying.join(
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
        this.#listening.stand(id, this.#commands, body);
        return;
      case COMMAND.tell:
        this.#listening.ask(id);
        return;
      case COMMAND.stop:
        this.#stopped = true;
        return;
      default:
        throw new Error(`a command of kind ${kind}`);
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
      commands.word(body + CONNECT_FOREIGN) === 1 ? decodeSockaddr(commands.view, body + CONNECT_SOURCE) : undefined,
    );
    this.#streams.connecting.connect(id, dialled, commands.number(body), keepAlive, this.#joining(body));
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
const COMMANDS = 1024;
/** How exact timeouts are. */
const TICK: Millis = 25;
/** So that the end of the thread, asked for from outside, is noticed. */
const LONGEST_SLEEP: Millis = 1000;
