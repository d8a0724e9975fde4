import { isUtf8 } from 'node:buffer';
import { StunEncodeError } from '../encode-error.ts';
import type { WireBytes } from '../wire-bytes.ts';
import type { ValueCodec } from './value-codec.ts';

/** How long a text may be: what is taken from others, and the stricter rule for what is sent. */
export interface TextLimits {
  readonly decodeBytes: number;
  readonly encodeBytes: number;
  /** In code points. */
  readonly encodeCharacters: number;
}

/** RFC 8489 §14.9, 14.10, 14.14: fewer than 128 characters, 509 bytes when encoding, 763 when decoding. */
export const SHORT_TEXT: TextLimits = { decodeBytes: 763, encodeBytes: 509, encodeCharacters: 127 };
/** §14.3: fewer than 509 bytes, but 763 "MUST" be parsed, for the sake of clients of RFC 5389. */
export const USERNAME_TEXT: TextLimits = { decodeBytes: 763, encodeBytes: 508, encodeCharacters: 508 };

/** UTF-8; anything else is malformed rather than repaired, because a repaired name is another name. */
export function text(limits: TextLimits): ValueCodec<string> {
  return {
    decode: (from, offset, length) => (length > limits.decodeBytes ? undefined : decodeText(from, offset, length)),
    encode: (to, offset, value) => encodeText(to, offset, value, limits),
  };
}

/** ALTERNATE-DOMAIN, §14.16: a DNS name of up to 255 ASCII characters. */
export const domainName: ValueCodec<string> = {
  decode(from, offset, length) {
    return length > 0 && length <= 255 && isAscii(from, offset, length) ? decodeText(from, offset, length) : undefined;
  },
  encode(to, offset, value) {
    if (!DOMAIN_NAME.test(value)) throw new StunEncodeError('a domain name has 1 to 255 ASCII characters');
    return to.bytes.write(value, offset, 'latin1');
  },
};

/** No limit but the message's: for reason phrases, whose codec checks the whole. */
export function decodeText(from: WireBytes, offset: number, length: number): string | undefined {
  const end = offset + length;
  if (isAscii(from, offset, length)) return from.bytes.toString('latin1', offset, end);
  return isUtf8(from.bytes.subarray(offset, end)) ? from.bytes.toString('utf8', offset, end) : undefined;
}

export function encodeText(to: WireBytes, offset: number, value: string, limits: TextLimits): number {
  // A lone surrogate would become U+FFFD on the wire: another text than the caller's.
  if (!value.isWellFormed()) throw new StunEncodeError('text with lone surrogates');
  // Code points are counted only where code units alone do not settle it.
  if (value.length > limits.encodeCharacters && [...value].length > limits.encodeCharacters) {
    throw new StunEncodeError(`text of more than ${limits.encodeCharacters} characters`);
  }
  if (Buffer.byteLength(value) > limits.encodeBytes) {
    throw new StunEncodeError(`text of more than ${limits.encodeBytes} bytes`);
  }
  return to.bytes.write(value, offset, 'utf8');
}

function isAscii(from: WireBytes, offset: number, length: number): boolean {
  let bits = 0;
  for (let index = offset; index < offset + length; index++) bits |= from.view.getUint8(index);
  return bits < 0x80;
}

const DOMAIN_NAME: RegExp = /^\p{ASCII}{1,255}$/u;
