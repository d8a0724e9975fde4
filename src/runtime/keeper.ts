import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Log } from '../control/log/log.ts';
import { JournalFile } from '../control/state/journal-file.ts';
import { entryLine, readJournal } from '../control/state/journal-lines.ts';
import { type Millis, SECOND } from '../net/time.ts';
import type { KeptEntry, Restorable } from '../service/kept.ts';
import type { Service } from '../service/service.ts';
import type { Driver } from './driver.ts';

export interface KeeperOptions {
  /** The state folder. */
  readonly folder: string;
  readonly driver: Driver;
  readonly log: Log;
}

/** Name of the journal in the state folder. */
export const CLIENTS_FILE = 'clients.journal';

/**
 * Keeps the clients of all services over a restart, in one journal of the state folder.
 *
 *     entries of all services ──▶ new journal ──▶ in place      at the start, and when the old one has grown long
 *     what changed            ──▶ appended                       once a second
 *
 * Both in slices of a few milliseconds, so that a hundred thousand clients hold nobody up; what changes while a new journal is written goes
 * into both. A process that is killed loses the last second.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #file: string;
  #services: readonly KeptService[] = [];
  readonly #restored = new Map<KeptService, number>();
  #journal: JournalFile | undefined = undefined;
  /** Lines of the journal, and from how many on it is written anew. */
  #lines = 0;
  #longAt = 0;
  #timer: NodeJS.Timeout | undefined = undefined;
  #working: Promise<void> | undefined = undefined;
  #nextTry: Millis = 0;
  #failing = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#file = join(options.folder, CLIENTS_FILE);
  }

  /** Into new services that know their listeners, before anybody is listened to. A journal that is faulty is a line in the log. */
  restore(services: readonly KeptService[]): void {
    this.#services = services;
    const { driver, log } = this.#options;
    const { values, note } = readJournal(this.#file);
    if (note !== undefined) log.warn(note);
    for (const service of services) {
      const kept = [...(values.get(service.name)?.values() ?? [])];
      if (kept.length === 0) continue;
      try {
        driver.run(service, (now) => service.restoreEntries(kept, now));
        this.#restored.set(service, kept.length);
      } catch (error) {
        // Clients come again without it; a relay that does not start would help nobody.
        log.warn(`${this.#file}: cannot be taken up`, { service: service.name, reason: String(error) });
      }
    }
  }

  /** After restore(), when the engine had time to answer for the ports. */
  start(): void {
    for (const [{ name: service, leftOut }, entries] of this.#restored) {
      this.#options.log.info('took up what an earlier run kept', { service, entries, leftOut });
    }
    this.#restored.clear();
    this.#timer = setInterval(() => this.#work(), KEEP_EVERY).unref();
    this.#work();
  }

  /** What the services hold is in the journal when this resolves; they may go on meanwhile. */
  async settle(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    await this.#working;
    await this.#guarded(() => this.#rewrite());
  }

  /** The last changes, after settle(), of services that hear no more. */
  async finish(): Promise<void> {
    if (this.#journal !== undefined) await this.#guarded(() => this.#appendChanges());
  }

  async close(): Promise<void> {
    await this.#journal?.close().catch(() => {});
    this.#journal = undefined;
  }

  #work(): void {
    this.#working ??= this.#guarded(() => this.#keep()).finally(() => {
      this.#working = undefined;
    });
  }

  async #keep(): Promise<void> {
    if (this.#failing && performance.now() < this.#nextTry) return;
    const before = this.#lines;
    const kept = this.#journal !== undefined && before < this.#longAt && (await this.#appendChanges());
    if (!kept) await this.#rewrite();
    else if (this.#lines > before) await this.#journal?.sync();
  }

  /** False when the services no longer know what changed. */
  async #appendChanges(also?: JournalFile): Promise<boolean> {
    let complete = true;
    for (const service of this.#services) {
      const changes = service.keptChanges();
      if (changes === undefined) complete = false;
      else await this.#write(service, changes, [this.#journal, also]);
    }
    return complete;
  }

  async #rewrite(): Promise<void> {
    if (this.#journal !== undefined) await this.#appendChanges();
    const next = await JournalFile.begin(this.#file);
    const before = this.#lines;
    try {
      this.#lines = 0;
      // All at once: from here on every change goes into both journals, behind what is read of it.
      const all = this.#services.map((service) => [service, service.keptEntries()] as const);
      for (const [service, entries] of all) await this.#write(service, entries, [next], next);
      await next.takePlace();
    } catch (error) {
      this.#lines = before;
      await next.abandon();
      throw error;
    }
    await this.#journal?.close();
    this.#journal = next;
    this.#longAt = 2 * this.#lines + SPARE_LINES;
  }

  /** `next`: a journal that is being written anew; while that takes longer than a moment the old one must not fall behind. */
  async #write(
    { name }: KeptService,
    entries: Iterable<KeptEntry>,
    journals: readonly (JournalFile | undefined)[],
    next?: JournalFile,
  ): Promise<void> {
    let kept = performance.now();
    const iterator = entries[Symbol.iterator]();
    for (let text = this.#slice(name, iterator); text !== ''; text = this.#slice(name, iterator)) {
      for (const journal of journals) await journal?.append(text);
      if (next !== undefined && performance.now() - kept > KEEP_EVERY) {
        await this.#appendChanges(next);
        kept = performance.now();
      }
      await setImmediate();
    }
  }

  #slice(service: string, entries: Iterator<KeptEntry>): string {
    const until = performance.now() + SLICE;
    let text = '';
    do {
      const { done, value } = entries.next();
      if (done === true) return text;
      this.#lines++;
      text += entryLine(service, value.key, value.value);
    } while (performance.now() < until);
    return text;
  }

  /** A disk that is full or gone ends the keeping, not the relay; it is tried again now and then. */
  async #guarded(act: () => Promise<unknown>): Promise<void> {
    const { log } = this.#options;
    try {
      await act();
      if (this.#failing && this.#journal !== undefined) log.info('clients are kept again', { file: this.#file });
      if (this.#journal !== undefined) this.#failing = false;
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      if (!this.#failing) log.warn('clients are not kept over a restart', { file: this.#file, reason });
      this.#failing = true;
      this.#nextTry = performance.now() + RETRY;
      await this.#journal?.close().catch(() => {});
      this.#journal = undefined;
    }
  }
}

export type KeptService = Service & Restorable;

const KEEP_EVERY: Millis = SECOND;
/** What the loop may be held up at a time. */
const SLICE: Millis = 3;
const RETRY: Millis = 30 * SECOND;
/** A short journal is not written anew for a few changes. */
const SPARE_LINES = 10_000;
