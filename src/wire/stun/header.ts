import { requireInteger, StunEncodeError } from './encode-error.ts';
import type { MessageClass, StunHeader } from './message.ts';
import { copyBytes, type WireBytes } from './wire-bytes.ts';

export const MAGIC_COOKIE = 0x2112a442;
export const HEADER_BYTES = 20;
/** The length field counts what follows the header, in 16 bits and whole words. */
export const MESSAGE_BYTES_MAX: number = HEADER_BYTES + 0xfffc;

/**
 * RFC 8489 §5
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---+---------------------------+-------------------------------+
 *     |0 0|  M11–M7, C1, M6–M4, C0,   |  length of what follows the   |
 *     |   |  M3–M0                    |  header, padding included     |
 *     +---+---------------------------+-------------------------------+
 *     |                     magic cookie 0x2112A442                   |
 *     +---------------------------------------------------------------+
 *     |                    transaction ID (12 bytes)                  |
 */
export function decodeHeader(from: WireBytes): StunHeader {
  const type = from.view.getUint16(0);
  return {
    class: CLASSES[((type >>> 7) & 0b10) | ((type >>> 4) & 0b01)] ?? 'request',
    method: (type & 0x000f) | ((type & 0x00e0) >>> 1) | ((type & 0x3e00) >>> 2),
    transactionId: copyBytes(from, 8, 12),
  };
}

/** Writes the header; setLength fills in the length once it is known. */
export function encodeHeader(to: WireBytes, header: StunHeader): void {
  const { transactionId } = header;
  const method = requireInteger(header.method, 0, 0xfff, 'method');
  if (transactionId.length !== 12) throw new StunEncodeError('a transaction ID has 12 bytes');
  const bits = CLASSES.indexOf(header.class);
  if (bits < 0) throw new StunEncodeError(`no message class: ${header.class}`);
  const type =
    (method & 0x00f) | ((bits & 0b01) << 4) | ((method & 0x070) << 1) | ((bits & 0b10) << 7) | ((method & 0xf80) << 2);
  to.view.setUint16(0, type);
  to.view.setUint16(2, 0);
  to.view.setUint32(4, MAGIC_COOKIE);
  to.bytes.set(transactionId, 8);
}

/** `end`: where the message ends, or shall seem to end while a MAC or CRC is computed. */
export function setLength(to: WireBytes, end: number): void {
  to.view.setUint16(2, end - HEADER_BYTES);
}

const CLASSES: readonly MessageClass[] = ['request', 'indication', 'success', 'error'];
