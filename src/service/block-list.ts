import { parseAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { formatPrefix, type Prefix } from '../net/prefix.ts';
import type { RandomBytes } from '../net/random.ts';
import { type Millis, SECOND } from '../net/time.ts';
import { SourceBudget } from './limiter.ts';

export interface Block {
  readonly prefix: Prefix;
  readonly reason: BlockReason;
  /** Why, in words of whoever blocked it; may be empty. */
  readonly note: string;
  /** Undefined: until it is removed. */
  readonly expiresAt: Millis | undefined;
}

/** By the configuration, by a person at run time, or because a source went beyond a budget too often. */
export type BlockReason = 'configured' | 'manual' | 'rate';

export interface StrikeOptions {
  /** So many strikes within `window` block an address for `duration`; 0 = never. */
  readonly limit: number;
  readonly window: Millis;
  readonly duration: Millis;
  /** Automatic blocks at a time: the oldest gives way, so that forged sources cannot fill the memory. */
  readonly maxBlocks: number;
}

/**
 * Addresses and prefixes whose packets are dropped without an answer: the one block list of all services. A look-up costs one map access for
 * each prefix length in use, and nothing while nothing is blocked. Flows know nothing of it: `onChange` tells that those of a
 * blocked address must go.
 */
export class BlockList {
  readonly #onChange: (reason: BlockReason) => void;
  readonly #strikes: SourceBudget | undefined;
  readonly #options: StrikeOptions;
  readonly #groups: Group[] = [];
  /** In the order in which they were made. */
  readonly #automatic = new Set<Entry>();
  #size = 0;
  #refused = 0;

  constructor(
    random: RandomBytes,
    options: StrikeOptions = NO_STRIKES,
    onChange: (reason: BlockReason) => void = () => {},
  ) {
    this.#options = options;
    this.#onChange = onChange;
    const seconds = options.window / SECOND;
    if (options.limit > 0) {
      const perAddress = options.limit / seconds;
      this.#strikes = new SourceBudget(
        { perAddress, perPrefix: 0, burstSeconds: seconds, maxSources: SOURCES },
        random,
      );
    }
  }

  /** Those whose time is over count until a packet or sweep() finds them. */
  get size(): number {
    return this.#size;
  }

  /** Packets that were dropped because of this list, of all services. */
  get refused(): number {
    return this.#refused;
  }

  /** Replaces an earlier block of the same prefix, except one of the configuration: that has no end. */
  add(prefix: Prefix, expiresAt?: Millis, note = ''): void {
    if (this.find(prefix)?.reason === 'configured') return;
    this.#put({ prefix, reason: 'manual', note, expiresAt });
    this.#onChange('manual');
  }

  /** From now on the configuration blocks these, and no others. */
  configure(prefixes: readonly Prefix[]): void {
    const wanted = new Set(prefixes.map(formatPrefix));
    for (const group of this.#groups) {
      for (const entry of group.entries.values()) {
        if (entry.reason === 'configured' && !wanted.has(formatPrefix(entry.prefix))) this.#take(group, entry);
      }
    }
    for (const prefix of prefixes) this.#put({ prefix, reason: 'configured', note: '', expiresAt: undefined });
    this.#onChange('configured');
  }

  /** The block of exactly this prefix. */
  find(prefix: Prefix): Block | undefined {
    return this.#group(prefix)?.entries.get(maskedKey(prefix.address, prefix.bits));
  }

  /** False when that prefix was not blocked (blocks of larger or smaller prefixes stay). */
  remove(prefix: Prefix): boolean {
    const group = this.#group(prefix);
    const entry = group?.entries.get(maskedKey(prefix.address, prefix.bits));
    if (group === undefined || entry === undefined) return false;
    this.#take(group, entry);
    this.#onChange(entry.reason);
    return true;
  }

  /** Forgets those whose time is over. */
  sweep(now: Millis): void {
    for (const group of this.#groups) {
      for (const entry of group.entries.values()) if (!isLive(entry, now)) this.#take(group, entry);
    }
  }

  list(now: Millis): Block[] {
    return this.#groups.flatMap(({ entries }) => [...entries.values()]).filter((entry) => isLive(entry, now));
  }

  /** Whether a packet from there is to be dropped, which is counted. */
  refuses(from: Endpoint, now: Millis): boolean {
    if (!this.isBlocked(from, now)) return false;
    this.#refused++;
    return true;
  }

  isBlocked({ address }: Endpoint, now: Millis): boolean {
    if (this.#size === 0) return false;
    const bytes = parseAddress(address);
    return bytes !== undefined && this.blocks(bytes, now);
  }

  /** The same for the bytes of an address. */
  blocks(bytes: Uint8Array, now: Millis): boolean {
    for (const group of this.#groups) {
      if (group.width !== bytes.length || group.entries.size === 0) continue;
      const entry = group.entries.get(maskedKey(bytes, group.bits));
      if (entry === undefined) continue;
      if (isLive(entry, now)) return true;
      this.#take(group, entry);
    }
    return false;
  }

  /** The source went beyond a budget. Sources can be forged: whoever turns strikes on accepts that some may be blocked for another's deeds. */
  strike(from: Endpoint, now: Millis): void {
    if (this.#strikes === undefined || this.#strikes.take(from, 1, now) || this.isBlocked(from, now)) return;
    const address = parseAddress(from.address);
    if (address === undefined) return;
    this.#blockFor({ family: from.family, address, bits: address.length * 8 }, now + this.#options.duration);
    this.#onChange('rate');
  }

  /** A block that strikes made in an earlier process. Without strikes there is none, and none lasts longer than one that is made now. */
  resume(prefix: Prefix, expiresAt: Millis, now: Millis): void {
    if (this.#strikes === undefined || expiresAt <= now || this.find(prefix) !== undefined) return;
    this.#blockFor(prefix, Math.min(expiresAt, now + this.#options.duration));
  }

  #blockFor(prefix: Prefix, expiresAt: Millis): void {
    for (const oldest of this.#automatic) {
      if (this.#automatic.size < this.#options.maxBlocks) break;
      const group = this.#group(oldest.prefix);
      if (group !== undefined) this.#take(group, oldest);
    }
    this.#automatic.add(this.#put({ prefix, reason: 'rate', note: '', expiresAt }));
  }

  #put(entry: Entry): Entry {
    const { prefix } = entry;
    let group = this.#group(prefix);
    if (group === undefined) {
      group = { width: prefix.address.length, bits: prefix.bits, entries: new Map() };
      this.#groups.push(group);
    }
    const key = maskedKey(prefix.address, prefix.bits);
    const older = group.entries.get(key);
    if (older !== undefined) this.#take(group, older);
    group.entries.set(key, entry);
    this.#size++;
    return entry;
  }

  #take(group: Group, entry: Entry): void {
    group.entries.delete(maskedKey(entry.prefix.address, group.bits));
    this.#automatic.delete(entry);
    this.#size--;
  }

  #group({ address, bits }: Prefix): Group | undefined {
    return this.#groups.find((group) => group.width === address.length && group.bits === bits);
  }
}

type Entry = Block;

/** Blocks of one family and prefix length, by their network. */
interface Group {
  /** Bytes of an address of the family. */
  readonly width: number;
  readonly bits: number;
  readonly entries: Map<string, Entry>;
}

const NO_STRIKES: StrikeOptions = { limit: 0, window: 0, duration: 0, maxBlocks: 0 };
/** Sources whose strikes are remembered. */
const SOURCES = 16_384;

function isLive({ expiresAt }: Entry, now: Millis): boolean {
  return expiresAt === undefined || expiresAt > now;
}

/** The leading bits as a string: one character a byte. */
function maskedKey(address: Uint8Array, bits: number): string {
  let key = '';
  for (let index = 0; index * 8 < bits; index++) {
    const kept = Math.min(8, bits - index * 8);
    key += String.fromCharCode((address[index] ?? 0) & (0xff00 >>> kept) & 0xff);
  }
  return key;
}
