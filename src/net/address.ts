/** IP version. */
export type Family = 4 | 6;

/**
 * Text of an IP address → its 4 or 16 bytes in network order; undefined when it is no address. A zone ("%eth0") is ignored.
 * IPv4-mapped IPv6 stays 16 bytes: see canonicalPeer for what a filter must look at.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  const ipv4 = parseIpv4(text);
  return ipv4 === undefined ? parseIpv6(text) : ipv4Bytes(ipv4);
}

/** 4 or 16 bytes → canonical text (RFC 5952 for IPv6: lower case, longest run of zeros compressed, no mixed notation). */
export function formatAddress(bytes: Uint8Array): string {
  // By index, not through a DataView: asking a small array for its buffer moves it out of the heap, which costs a microsecond.
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length === 16) return formatIpv6(bytes);
  throw new AddressLengthError(bytes.length);
}

/** Whether a socket bound to it is bound to all addresses of its family. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** 127.0.0.0/8 or ::1, in canonical form. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Thrown for bytes that cannot be an address: a mistake of the caller. */
export class AddressLengthError extends Error {
  override readonly name = 'AddressLengthError';
  readonly code = 'ERR_ADDRESS_LENGTH';

  constructor(length: number) {
    super(`an address has 4 or 16 bytes, not ${length}`);
  }
}

/** "192.0.2.1" → 0xC0000201; undefined when it is no IPv4 address. Exactly four decimal numbers without leading zeros. */
export function parseIpv4(text: string): number | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (char === DOT) {
      if (octet < 0) return undefined;
      value = value * 256 + octet;
      octet = -1;
      dots++;
    } else {
      const digit = char - ZERO;
      // A leading zero reads as octal elsewhere: it is refused rather than guessed at.
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : undefined;
}

/** 0xC0000201 → "192.0.2.1" */
export function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}

function ipv4Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** RFC 4291 §2.2: groups of one to four hexadecimal digits, one "::" for a run of zeros, the last 32 bits perhaps dotted. */
function parseIpv6(text: string): Uint8Array | undefined {
  const end = endBeforeZone(text);
  if (end < 2) return undefined;
  const bytes = new Uint8Array(16);
  let written = 0;
  let gap = -1;
  let index = 0;
  if (text.startsWith('::')) {
    gap = 0;
    index = 2;
  }
  while (index < end) {
    const stop = endOfGroup(text, index, end);
    if (stop === index || written === 16) return undefined;
    if (stop < end && text.charCodeAt(stop) === DOT) {
      const ipv4 = parseIpv4(text.slice(index, end));
      if (ipv4 === undefined || written > 12) return undefined;
      bytes.set(ipv4Bytes(ipv4), written);
      written += 4;
      break;
    }
    const group = Number.parseInt(text.slice(index, stop), 16);
    bytes[written++] = group >>> 8;
    bytes[written++] = group;
    index = stop;
    if (index === end) break;
    if (text.charCodeAt(index++) !== COLON || index === end) return undefined;
    if (text.charCodeAt(index) === COLON) {
      if (gap >= 0) return undefined;
      gap = written;
      index++;
    }
  }
  if (gap < 0) return written === 16 ? bytes : undefined;
  // "::" stands for at least one group, so something must be missing.
  if (written === 16) return undefined;
  const tail = 16 - (written - gap);
  bytes.copyWithin(tail, gap, written);
  bytes.fill(0, gap, tail);
  return bytes;
}

function endBeforeZone(text: string): number {
  const zone = text.indexOf('%');
  if (zone < 0) return text.length;
  return ZONE.test(text.slice(zone + 1)) ? zone : -1;
}

function endOfGroup(text: string, start: number, end: number): number {
  const limit = Math.min(end, start + 4);
  let index = start;
  while (index < limit && isHexDigit(text.charCodeAt(index))) index++;
  return index;
}

function isHexDigit(char: number): boolean {
  const letter = char | 0x20;
  return (char >= ZERO && char <= ZERO + 9) || (letter >= LETTER_A && letter <= LETTER_A + 5);
}

/** RFC 5952 §4.2: the longest run of two or more zero groups is compressed, the first of equals. */
function formatIpv6(bytes: Uint8Array): string {
  let runStart = -1;
  let runLength = 1;
  for (let group = 0; group < 8; group++) {
    let next = group;
    while (next < 8 && bytes[next * 2] === 0 && bytes[next * 2 + 1] === 0) next++;
    if (next - group > runLength) {
      runStart = group;
      runLength = next - group;
    }
    group = next;
  }
  if (runStart < 0) return formatGroups(bytes, 0, 8);
  return `${formatGroups(bytes, 0, runStart)}::${formatGroups(bytes, runStart + runLength, 8)}`;
}

function formatGroups(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let group = from; group < to; group++) {
    if (group > from) text += ':';
    const high = bytes[group * 2] ?? 0;
    const low = bytes[group * 2 + 1] ?? 0;
    text += high === 0 ? HEX[low] : `${HEX[high]}${HEX_PADDED[low]}`;
  }
  return text;
}

/** A byte as text: many times faster than toString(16). */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16));
const HEX_PADDED: readonly string[] = HEX.map((digits) => digits.padStart(2, '0'));
const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const LETTER_A = 0x61;
/** Names of interfaces; node:net knows no underscore, Linux does. */
const ZONE: RegExp = /^[0-9a-zA-Z\-._:]+$/;
