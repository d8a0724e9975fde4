import type { Endpoint } from '../net/endpoint.ts';
import type { Millis } from '../net/time.ts';

export interface BudgetOptions {
  /** Tokens a second for one address (one /32 or /128). */
  readonly perAddress: number;
  /** Tokens a second for one prefix (/24 or /64). */
  readonly perPrefix: number;
  /** Seconds of budget that may be saved up. */
  readonly burstSeconds: number;
  /** Most sources that are remembered; memory stays flat beyond (the least recently seen is forgotten). */
  readonly maxSources: number;
}

/** Token buckets per source address and per source prefix: the one limiter of all services. 0 = no limit. */
export class SourceBudget {
  constructor(_options: BudgetOptions) {}

  /** Takes `tokens` from both buckets of the source; false (and nothing taken) when either is short. */
  take(_source: Endpoint, _tokens: number, _now: Millis): boolean {
    throw new Error('not built yet');
  }
}
