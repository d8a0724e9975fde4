import type { IdleWheel } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import type { Accepting, Acceptor } from './acceptor.ts';
import type { Reports } from './reports.ts';
import type { Stream } from './stream.ts';
import type { StreamTable } from './table.ts';

/** Tells the main thread of clients, at once or when they have stayed for a moment. */
export class Untold {
  readonly #table: StreamTable;
  readonly #acceptor: Acceptor;
  readonly #reports: Reports;
  readonly #wheel: IdleWheel<Stream | Accepting>;
  #nextTotals: Millis = 0;

  constructor(table: StreamTable, acceptor: Acceptor, reports: Reports, wheel: IdleWheel<Stream | Accepting>) {
    this.#table = table;
    this.#acceptor = acceptor;
    this.#reports = reports;
    this.#wheel = wheel;
  }

  /** Who was accepted last, of a listener without a standing decision. Only where a stream is taken. */
  opened(client: Stream): void {
    this.#table.name(client);
    this.#reports.opened(client, this.#acceptor.ends, 0);
  }

  /** Asks about a client whom a standing decision has not served, after it has told of all whom it has. */
  ask(client: Stream): void {
    const { listener, fd } = client;
    if (listener === undefined) return;
    this.tellAll(listener);
    if (!this.#reports.takesStream) {
      this.#wheel.set(client, this.#table.now);
      return;
    }
    this.#acceptor.recall(fd.number, listener);
    this.#table.name(client);
    this.#reports.opened(client, this.#acceptor.ends, client.refusal);
  }

  /** Of a client, and of the upstream that he is joined with. */
  tell(client: Stream): void {
    const { listener, partner, fd } = client;
    if (listener === undefined || partner === undefined) return;
    if (!this.#reports.takesStream) {
      this.#wheel.set(client, this.#table.now + AGAIN);
      return;
    }
    this.#acceptor.recall(fd.number, listener);
    this.#table.name(client);
    this.#table.name(partner);
    this.#reports.pair(client, partner, this.#acceptor.ends);
  }

  tellAll(listener: Accepting): void {
    for (const client of this.#table.untoldOf(listener)) if (client.state === 'joined') this.tell(client);
  }

  /** When those who came and went should be told of. */
  get dueAt(): Millis {
    return this.#table.uncounted.size > 0 ? this.#nextTotals : Number.POSITIVE_INFINITY;
  }

  /** They are numbers that nobody waits for: waking the main thread for few would cost as much as asking it. */
  tellTotals(): void {
    const { now } = this.#table;
    if (this.dueAt > now) return;
    this.#nextTotals = now + TOTALS_EVERY;
    for (const listener of this.#table.uncounted) {
      if (!this.#reports.roomy || !this.#reports.totals(listener)) return;
      listener.totals = { connections: 0, toUpstream: 0, toClient: 0 };
      this.#table.uncounted.delete(listener);
    }
  }
}

const AGAIN: Millis = 5;
const TOTALS_EVERY: Millis = 100;
