import { parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import { type Prefix, prefixContains } from '../../net/prefix.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import { SourceBudget } from '../limiter.ts';
import type { ForwardRule } from './config.ts';
import type { Refusal } from './reasons.ts';

/** Who may use a forward, and how much of it. */
export class Admission {
  /** Connections and sessions that are there. */
  total = 0;
  readonly #sources = new Map<string, number>();
  #rule: ForwardRule;
  readonly #random: RandomBytes;
  #budget: SourceBudget;

  constructor(rule: ForwardRule, random: RandomBytes) {
    this.#rule = rule;
    this.#random = random;
    this.#budget = makeBudget(rule, random);
  }

  /** What is there stays; the new limits count from the next client on. */
  update(rule: ForwardRule): void {
    if (rule.limits.ratePerSource !== this.#rule.limits.ratePerSource) this.#budget = makeBudget(rule, this.#random);
    this.#rule = rule;
  }

  /** A place among all, for whoever has not said yet who he is. To be given back by leave(). */
  enter(): Refusal | undefined {
    if (this.total >= this.#rule.limits.total) return 'total-limit';
    this.total += 1;
    return undefined;
  }

  leave(): void {
    this.total -= 1;
  }

  /** A place among those of its address, for the time until release(). */
  admit(source: Endpoint, now: Millis): Refusal | undefined {
    const refusal = this.#refuse(source);
    if (refusal !== undefined) return refusal;
    if (!this.#budget.take(source, 1, now)) return 'source-rate';
    this.#count(source);
    return undefined;
  }

  /** For whoever was there before a restart: he is not new. */
  readmit(source: Endpoint): Refusal | undefined {
    const refusal = this.#refuse(source);
    if (refusal === undefined) this.#count(source);
    return refusal;
  }

  /** For whoever was let in by an earlier decision: he has a place already. */
  welcome(source: Endpoint): void {
    this.total += 1;
    this.#count(source);
  }

  release(source: Endpoint): void {
    const there = this.#sources.get(source.address) ?? 0;
    if (there > 1) this.#sources.set(source.address, there - 1);
    else this.#sources.delete(source.address);
  }

  #refuse(source: Endpoint): Refusal | undefined {
    const { perSource } = this.#rule.limits;
    if (!this.#isAllowed(source)) return 'denied';
    return perSource > 0 && (this.#sources.get(source.address) ?? 0) >= perSource ? 'source-limit' : undefined;
  }

  #count({ address }: Endpoint): void {
    this.#sources.set(address, (this.#sources.get(address) ?? 0) + 1);
  }

  #isAllowed({ address }: Endpoint): boolean {
    const { allow, deny } = this.#rule;
    return !covers(deny, address) && (allow.length === 0 || covers(allow, address));
  }
}

export function covers(prefixes: readonly Prefix[], address: string): boolean {
  if (prefixes.length === 0) return false;
  const bytes = parseAddress(address);
  return bytes !== undefined && prefixes.some((prefix) => prefixContains(prefix, bytes));
}

function makeBudget({ limits }: ForwardRule, random: RandomBytes): SourceBudget {
  const options = { perAddress: limits.ratePerSource, perPrefix: 0, burstSeconds: 2, maxSources: 4096 };
  return new SourceBudget(options, random);
}
