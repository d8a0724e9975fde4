import type { Link } from '../../sys/links.ts';

// The interfaces that frames come in by, where the program looks for them: `links` of struct settings in bpf/layout.h. A hash table without
// collisions: the factor is chosen so that each has a slot of its own.

const LINKS = 256;
const LINK_BYTES = 12;
export const LINK_TABLE_BYTES: number = LINKS * LINK_BYTES;

/** Writes the links at `at`, and returns the factor. More than there is room for, which are some fifty, are left out: their frames pass. */
export function writeLinks(into: Buffer, at: number, links: readonly Link[]): number {
  const spread = SPREADS.find((one) => new Set(links.map(({ ifindex }) => slotOf(ifindex, one))).size === links.length);
  for (const { ifindex, address } of links) {
    const slot = at + slotOf(ifindex, spread ?? FIRST) * LINK_BYTES;
    if (into.readUInt32LE(slot) !== 0) continue;
    into.writeUInt32LE(ifindex, slot);
    into.set(address, slot + 4);
  }
  return spread ?? FIRST;
}

export function readLinks(from: Buffer, at: number): Link[] {
  return Array.from({ length: LINKS }, (_, slot) => at + slot * LINK_BYTES)
    .map((slot) => ({ ifindex: from.readUInt32LE(slot), address: from.subarray(slot + 4, slot + 10) }))
    .filter(({ ifindex }) => ifindex !== 0);
}

function slotOf(ifindex: number, spread: number): number {
  return Math.imul(ifindex, spread) >>> 24;
}

/** The low byte of the index. */
const FIRST = 1 << 24;
/** Behind it multiples of the golden ratio. */
const SPREADS: readonly number[] = Array.from(
  { length: 256 },
  (_, index) => (FIRST + Math.imul(index, 0x9e3779b1)) >>> 0,
);
