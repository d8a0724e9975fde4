import {
  METHOD_ALLOCATE,
  METHOD_BINDING,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_REFRESH,
} from '../../wire/stun/message.ts';

/** One series of culvert_turn_responses_total. `code` is 0 for success. */
export interface ResponseCount {
  readonly method: MethodName;
  readonly class: 'success' | 'error';
  readonly code: number;
  readonly count: number;
}

export type MethodName = 'binding' | 'allocate' | 'refresh' | 'create_permission' | 'channel_bind' | 'other';

/** Responses by method, class and code; a method that nobody defined is "other", so that clients cannot invent label values. */
export class ResponseCounts {
  readonly #counts = new Map<number, number>();

  add(method: number, code: number): void {
    const key = (METHOD_NAMES.has(method) ? method : 0) * CODES + code;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  list(): readonly ResponseCount[] {
    return [...this.#counts].map(([key, count]) => {
      const code = key % CODES;
      const method = METHOD_NAMES.get((key - code) / CODES) ?? 'other';
      return { method, class: code === 0 ? 'success' : 'error', code, count };
    });
  }
}

const CODES = 1000;

const METHOD_NAMES: ReadonlyMap<number, MethodName> = new Map([
  [METHOD_BINDING, 'binding'],
  [METHOD_ALLOCATE, 'allocate'],
  [METHOD_REFRESH, 'refresh'],
  [METHOD_CREATE_PERMISSION, 'create_permission'],
  [METHOD_CHANNEL_BIND, 'channel_bind'],
]);
