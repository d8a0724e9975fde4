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

/** The block list of all services: what the configuration blocks, what people block at run time, which outlives a restart, and what strikes block. */
export class Blocks {
  readonly list: BlockList;
  readonly #options: BlocksOptions;
  readonly #kept: KeptFile;
  #pending: NodeJS.Timeout | undefined;
  #applyNotBefore = 0;

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

  close(): void {
    clearTimeout(this.#pending);
  }

  /**
   * A strike comes from inside a service, which must finish what it is at first. To look at every client takes time: a flood that makes one block after
   * the other gets a tenth of it.
   */
  #onChange(reason: BlockReason): void {
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
      log.error('blocks.json in the state folder is damaged: what was blocked by command is not blocked any more');
      return;
    }
    for (const { prefix, expiresAt, note } of parsed.output.blocks) {
      const known = parsePrefix(prefix);
      if (known !== undefined && (expiresAt === undefined || expiresAt > clock()))
        this.list.add(known, expiresAt, note);
    }
  }

  /** False when the state folder cannot be written. */
  #save(): boolean {
    const { log, clock } = this.#options;
    const manual = this.list.list(clock()).filter(({ reason }) => reason === 'manual');
    const blocks = manual.map(({ prefix, expiresAt, note }) => ({ prefix: formatPrefix(prefix), expiresAt, note }));
    if (blocks.length === 0 && this.#kept.read() === undefined) return true;
    const failure = this.#kept.write({ version: 1, blocks } satisfies v.InferInput<typeof keptBlocks>);
    if (failure !== undefined) log.warn('blocks are not kept over a restart', { reason: failure });
    return failure === undefined;
  }
}

const keptBlocks = v.object({
  version: v.literal(1),
  blocks: v.array(
    v.object({ prefix: v.string(), expiresAt: v.optional(v.pipe(v.number(), v.maxValue(8.64e15))), note: v.string() }),
  ),
});

/** Of each kind. */
const MAX_BLOCKS = 10_000;

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
