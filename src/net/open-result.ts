import type { Endpoint } from './endpoint.ts';

/** Why a bind failed. `in-use` may be tried again on another port; the others will not get better soon. */
export type OpenFailure = 'in-use' | 'no-descriptors' | 'not-permitted' | 'no-address' | 'failed';

/** Outcome of binding a socket. `local` is what was bound (the real port where 0 was asked). */
export type OpenResult =
  | { readonly ok: true; readonly local: Endpoint }
  | { readonly ok: false; readonly failure: OpenFailure; readonly detail: string };
