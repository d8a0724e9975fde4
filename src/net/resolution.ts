import type { Millis } from './time.ts';

/** What a name stands for now. `addresses`: canonical, in the order of the answer; `ttl`: how long the answer is good. */
export type Resolution =
  | { readonly ok: true; readonly addresses: readonly string[]; readonly ttl: Millis }
  | { readonly ok: false; readonly detail: string };
