import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { BlockOutcome, BlockView } from '../control/admin/operations.ts';
import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import { KeptFile } from '../control/state/kept-file.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../net/prefix.ts';
import type { Millis } from '../net/time.ts';
import { BlockList, type BlockReason } from '../service/block-list.ts';

export interface BlocksOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock: () => Millis;
  /** Has every service drop who is blocked now. */
  readonly apply: () => void;
}

/** The block list of all services: what the configuration blocks, and what people and strikes block at run time, which outlives a restart. */
export class Blocks {
  readonly list: BlockList;
  readonly #options: BlocksOptions;
  readonly #kept: KeptFile;
  #pending: NodeJS.Timeout | undefined;
  #applyNotBefore = 0;
  #saving: NodeJS.Timeout | undefined;
  #saveWait = SAVE_WAIT;
  #failure: string | undefined;
  #closed = false;

  constructor(options: BlocksOptions) {
    this.#options = options;
    const { limits, state } = options.config;
    this.#kept = new KeptFile(state, 'blocks.json');
    this.list = new BlockList(randomBytes, { ...limits.strikes, maxBlocks: MAX_BLOCKS }, (reason) =>
      this.#onChange(reason),
    );
    this.#restore();
    this.list.configure(limits.block);
  }

  get size(): number {
    this.list.sweep(this.#options.clock());
    return this.list.size;
  }

  configure(prefixes: readonly Prefix[]): void {
    this.list.configure(prefixes);
    this.#save();
  }

  add(text: string, until: Millis | undefined, note: string): BlockOutcome {
    const prefix = parse(text);
    const name = formatPrefix(prefix);
    if (this.list.find(prefix)?.reason === 'configured') {
      return refuse('configured', `${name} is blocked already, by the configuration (limits.block)`);
    }
    if (this.list.find(prefix) === undefined && this.size >= 2 * MAX_BLOCKS) {
      return refuse('too-many', `there are ${this.size} blocks, more are not taken: block larger prefixes`);
    }
    this.list.add(prefix, until, note);
    return { ok: true, prefix: name, kept: this.#save() };
  }

  remove(text: string): BlockOutcome {
    const prefix = parse(text);
    const name = formatPrefix(prefix);
    this.list.sweep(this.#options.clock());
    const block = this.list.find(prefix);
    if (block === undefined) return refuse('not-blocked', `${name} is not blocked (culvert block list shows what is)`);
    if (block.reason === 'configured') {
      return refuse(
        'configured',
        `${name} is blocked by the configuration: take it out of limits.block, then culvert reload`,
      );
    }
    this.list.remove(prefix);
    return { ok: true, prefix: name, kept: this.#save() };
  }

  views(): BlockView[] {
    return this.list.list(this.#options.clock()).map(({ prefix, reason, note, expiresAt }) => ({
      prefix: formatPrefix(prefix),
      by: reason,
      note,
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    }));
  }

  /** Writes what is not written yet, and nothing after that: the next process may have the file. */
  close(): void {
    clearTimeout(this.#pending);
    if (this.#saving !== undefined) this.#save();
    this.#closed = true;
  }

  /**
   * A strike comes from inside a service, which must finish what it is at first. To look at every client takes time: a flood that makes one block after
   * the other gets a tenth of it.
   */
  #onChange(reason: BlockReason): void {
    if (reason === 'rate' && !this.#closed) this.#saving ??= setTimeout(() => this.#save(), this.#saveWait).unref();
    const wait = this.#applyNotBefore - performance.now();
    if (reason !== 'rate' || wait <= 0) queueMicrotask(() => this.#apply());
    else this.#pending ??= setTimeout(() => this.#apply(), wait).unref();
  }

  #apply(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    const begun = performance.now();
    this.#options.apply();
    const ended = performance.now();
    this.#applyNotBefore = ended + 9 * (ended - begun);
  }

  #restore(): void {
    const { log, clock } = this.#options;
    const kept = this.#kept.read();
    if (kept === undefined) return;
    const parsed = v.safeParse(keptBlocks, kept);
    if (!parsed.success) {
      log.error('blocks.json in the state folder is damaged: what was blocked at run time is not blocked any more');
      return;
    }
    // Those that end first were made first, and give way first.
    const blocks = parsed.output.blocks.toSorted((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0));
    const now = clock();
    for (const { prefix, by, expiresAt, note } of blocks) {
      const known = parsePrefix(prefix);
      if (known === undefined || (expiresAt !== undefined && expiresAt <= now)) continue;
      if (by === undefined) this.list.add(known, expiresAt, note);
      else if (expiresAt !== undefined) this.list.resume(known, expiresAt, now);
    }
  }

  /** False when the state folder cannot be written. A flood of automatic blocks gets a hundredth of the time. */
  #save(): boolean {
    const begun = performance.now();
    clearTimeout(this.#saving);
    this.#saving = undefined;
    const { log, clock } = this.#options;
    const blocks = this.list.list(clock()).flatMap(({ prefix, reason, expiresAt, note }) => {
      if (reason === 'configured') return [];
      return [{ prefix: formatPrefix(prefix), expiresAt, note, ...(reason === 'rate' && { by: reason }) }];
    });
    if (blocks.length === 0 && this.#kept.read() === undefined) return true;
    const failure = this.#kept.write({ version: 1, blocks } satisfies v.InferInput<typeof keptBlocks>);
    if (failure !== undefined && failure !== this.#failure) {
      log.warn('blocks are not kept over a restart', { reason: failure });
    }
    this.#failure = failure;
    this.#saveWait = Math.max(SAVE_WAIT, 100 * (performance.now() - begun));
    return failure === undefined;
  }
}

const keptBlocks = v.object({
  version: v.literal(1),
  blocks: v.array(
    v.object({
      prefix: v.string(),
      /** Without it people. */
      by: v.optional(v.literal('rate')),
      expiresAt: v.optional(v.pipe(v.number(), v.maxValue(8.64e15))),
      note: v.string(),
    }),
  ),
});

/** Of each kind. */
const MAX_BLOCKS = 10_000;
/** After an automatic block: more may follow. */
const SAVE_WAIT: Millis = 1000;

/** IPv4 in its mapped form is IPv4: sockets never show the mapped one. */
function parse(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new RangeError(`not a prefix: ${text}`);
  const { address, bits } = prefix;
  const isMapped =
    address.length === 16 && bits >= 96 && address.every((byte, at) => at >= 12 || byte === (at < 10 ? 0 : 0xff));
  return isMapped ? { family: 4, address: address.slice(12), bits: bits - 96 } : prefix;
}

function refuse(failure: 'not-blocked' | 'configured' | 'too-many', reason: string): BlockOutcome {
  return { ok: false, failure, reason };
}
