import type { Family } from './address.ts';

/** A CIDR block: `bits` leading bits of `address` count, the others are zero. */
export interface Prefix {
  readonly family: Family;
  readonly address: Uint8Array;
  readonly bits: number;
}

/** "10.0.0.0/8", "2001:db8::/32", or a bare address (= /32, /128). Undefined when it is no prefix or has bits set below its length. */
export function parsePrefix(_text: string): Prefix | undefined {
  throw new Error('not built yet');
}

/** Whether an address (4 or 16 bytes) lies in the prefix. Families never match across. */
export function prefixContains(_prefix: Prefix, _address: Uint8Array): boolean {
  throw new Error('not built yet');
}

export function formatPrefix(_prefix: Prefix): string {
  throw new Error('not built yet');
}
