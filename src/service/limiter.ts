import { parseAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { RandomBytes } from '../net/random.ts';
import type { Millis } from '../net/time.ts';
import { BucketTable, type SourceKey } from './bucket-table.ts';
import { UniformSource } from './uniform.ts';

export interface BudgetOptions {
  /** Tokens a second for one address (one /32 or /128). */
  readonly perAddress: number;
  /** Tokens a second for one prefix (/24 or /64). */
  readonly perPrefix: number;
  /** Seconds of budget that may be saved up. */
  readonly burstSeconds: number;
  /** Most sources that are remembered; memory stays flat beyond (newcomers share what the least recently seen had left). */
  readonly maxSources: number;
}

/** Token buckets per source address and per source prefix: the one limiter of all services. 0 = no limit. */
export class SourceBudget {
  readonly #addresses: BucketTable;
  readonly #prefixes: BucketTable;
  /** Reused by every take(): the limiter is asked per packet of a flood and must not feed the garbage collector. */
  readonly #key: SourceKey = [0, 0, 0, 0];

  constructor({ perAddress, perPrefix, burstSeconds, maxSources }: BudgetOptions, random: RandomBytes) {
    const seed = new UniformSource(random).below(2 ** 32);
    this.#addresses = new BucketTable(perAddress, burstSeconds, maxSources, seed);
    this.#prefixes = new BucketTable(perPrefix, burstSeconds, maxSources, seed);
  }

  /** Takes `tokens` from both buckets of the source; false (and nothing taken) when either is short. */
  take(source: Endpoint, tokens: number, now: Millis): boolean {
    if (this.#addresses.unlimited && this.#prefixes.unlimited) return true;
    const bytes = parseAddress(source.address);
    if (bytes === undefined) return false;
    // The prefix is asked first: what it refuses leaves no trace among the addresses.
    const prefix = this.#prefixes.find(prefixKey(this.#key, bytes), now);
    if (!this.#prefixes.holds(prefix, tokens)) return false;
    const address = this.#addresses.find(addressKey(this.#key, bytes), now);
    if (!this.#addresses.holds(address, tokens)) return false;
    this.#prefixes.spend(prefix, tokens);
    this.#addresses.spend(address, tokens);
    return true;
  }

  /** Gives `tokens` back to a source that proved to be where it says it is. Nothing is saved up beyond the burst. */
  give(source: Endpoint, tokens: number, now: Millis): void {
    if (this.#addresses.unlimited && this.#prefixes.unlimited) return;
    const bytes = parseAddress(source.address);
    if (bytes === undefined) return;
    this.#prefixes.earn(this.#prefixes.find(prefixKey(this.#key, bytes), now), tokens);
    this.#addresses.earn(this.#addresses.find(addressKey(this.#key, bytes), now), tokens);
  }
}

/** IPv4 takes the place of its mapped form, which no IPv6 prefix key (third and fourth word zero) can equal. */
function prefixKey(key: SourceKey, bytes: Uint8Array): SourceKey {
  const ipv4 = bytes.length === 4;
  key[0] = ipv4 ? 0 : word(bytes, 0);
  key[1] = ipv4 ? 0 : word(bytes, 4);
  key[2] = ipv4 ? 0xffff : 0;
  key[3] = ipv4 ? (word(bytes, 0) & 0xffffff00) >>> 0 : 0;
  return key;
}

function addressKey(key: SourceKey, bytes: Uint8Array): SourceKey {
  const ipv4 = bytes.length === 4;
  key[0] = ipv4 ? 0 : word(bytes, 0);
  key[1] = ipv4 ? 0 : word(bytes, 4);
  key[2] = ipv4 ? 0xffff : word(bytes, 8);
  key[3] = word(bytes, ipv4 ? 0 : 12);
  return key;
}

function word(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  const low = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return (high | low) >>> 0;
}
