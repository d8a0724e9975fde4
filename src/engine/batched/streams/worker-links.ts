import { type Millis, SECOND } from '../../../net/time.ts';
import type { RingReader } from '../ring.ts';
import { type SharedByLinks, WorkerLink } from './link.ts';

export interface WorkerEvents {
  report(link: WorkerLink, ring: RingReader): void;
  /** In the place of one that failed. */
  replaced(link: WorkerLink): void;
  failed(link: WorkerLink, error: Error): void;
}

/** The workers of streams. They start when the first is asked for, and one that fails is followed by another. */
export class WorkerLinks {
  readonly #shared: SharedByLinks;
  readonly #events: WorkerEvents;
  readonly #links: WorkerLink[] = [];
  /** Counts of workers that are gone. */
  readonly #past: Float64Array[] = [];
  readonly #begin = Promise.withResolvers<void>();
  #isBegun = false;
  #started = false;
  #lastReplaced = Number.NEGATIVE_INFINITY;
  #next = 0;
  #stopped = false;

  constructor(shared: SharedByLinks, events: WorkerEvents) {
    this.#shared = shared;
    this.#events = events;
  }

  /** All that run now. */
  get running(): readonly WorkerLink[] {
    return this.#links;
  }

  /** Starts them where that has not happened. None may run for a moment, after a failure. */
  start(): readonly WorkerLink[] {
    if (!this.#started) for (let place = 0; place < this.#shared.workers; place++) this.#start(place);
    this.#started = true;
    return this.#links;
  }

  /** Resolves when one of them is at work, which takes a third of a second, longer where the processors are busy. */
  async begun(): Promise<void> {
    if (this.#isBegun) return;
    // Who listens by then without a worker is served by one that comes later.
    const timer = setTimeout(this.#begin.resolve, LONGEST_START);
    await this.#begin.promise;
    clearTimeout(timer);
  }

  noteBegun(): void {
    this.#isBegun = true;
    this.#begin.resolve();
  }

  /** Each in turn; undefined when none runs. */
  any(): WorkerLink | undefined {
    const links = this.start();
    this.#next = (this.#next + 1) % Math.max(1, links.length);
    return links[this.#next];
  }

  /** A count of all workers together, those that are gone included. */
  count(place: number): number {
    const counts = [...this.#past, ...this.#links.map((link) => link.counts)];
    return counts.reduce((sum, one) => sum + (one[place] ?? 0), 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#begin.resolve();
    await Promise.all(this.#links.map((link) => link.stop()));
  }

  #start(place: number): WorkerLink {
    const link = new WorkerLink(place, this.#shared, {
      report: this.#events.report,
      failed: (which, error) => this.#failed(which, error),
    });
    this.#links.push(link);
    return link;
  }

  #failed(link: WorkerLink, error: Error): void {
    if (this.#stopped) return;
    this.#links.splice(this.#links.indexOf(link), 1);
    this.#past.push(link.counts);
    // One that fails at once would fail again and again.
    const rest = Math.max(0, this.#lastReplaced + SECOND - performance.now());
    setTimeout(() => {
      if (this.#stopped) return;
      this.#lastReplaced = performance.now();
      this.#events.replaced(this.#start(link.place));
    }, rest);
    this.#events.failed(link, error);
  }
}

const LONGEST_START: Millis = 5 * SECOND;
