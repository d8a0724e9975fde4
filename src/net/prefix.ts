import { type Family, formatAddress, parseAddress } from './address.ts';

/** A CIDR block: `bits` leading bits of `address` count, the others are zero. */
export interface Prefix {
  readonly family: Family;
  readonly address: Uint8Array;
  readonly bits: number;
}

/**
 * "10.0.0.0/8", "2001:db8::/32", or a bare address (= /32, /128). Undefined when it is no prefix or has bits set below its length.
 * A zone is refused: a prefix that names one link would otherwise match on all. Part of ::ffff:0:0/96 is the IPv4 prefix that it stands for:
 * sources and peers are compared in that form.
 */
export function parsePrefix(text: string): Prefix | undefined {
  if (text.includes('%')) return undefined;
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const width = address.length * 8;
  const bits = slash < 0 ? width : parseBits(text.slice(slash + 1), width);
  if (bits === undefined || hasBitsBelow(address, bits)) return undefined;
  if (bits > MAPPED_BITS && isMapped(address))
    return { family: 4, address: address.slice(12), bits: bits - MAPPED_BITS };
  return { family: address.length === 4 ? 4 : 6, address, bits };
}

/** Whether an address (4 or 16 bytes) lies in the prefix. Families never match across. */
export function prefixContains(prefix: Prefix, address: Uint8Array): boolean {
  const network = prefix.address;
  if (network.length !== address.length) return false;
  const whole = prefix.bits >>> 3;
  for (let index = 0; index < whole; index++) {
    if (network[index] !== address[index]) return false;
  }
  const rest = prefix.bits & 7;
  return rest === 0 || (((network[whole] ?? 0) ^ (address[whole] ?? 0)) & topBits(rest)) === 0;
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.bits}`;
}

function parseBits(text: string, width: number): number | undefined {
  if (!BITS.test(text)) return undefined;
  const bits = Number(text);
  return bits <= width ? bits : undefined;
}

function hasBitsBelow(address: Uint8Array, bits: number): boolean {
  return address.some((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return (byte & ~topBits(kept)) !== 0;
  });
}

/** The `count` (0 to 8) leading bits of a byte. */
function topBits(count: number): number {
  return (0xff00 >>> count) & 0xff;
}

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
function isMapped(address: Uint8Array): boolean {
  return address.length === 16 && address.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff));
}

const MAPPED_BITS = 96;
const BITS: RegExp = /^(?:0|[1-9][0-9]{0,2})$/;
