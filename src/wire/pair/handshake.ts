import { timingSafeEqual } from 'node:crypto';
import { firstWord } from '../first-word.ts';
import { hmac } from '../hmac.ts';

/** First word of every handshake since v0.4. */
export const PAIR_MAGIC = 0x04b28000;
export const HANDSHAKE_BYTES = 56;

/** 128 bits that two clients agreed on elsewhere, as 32 hexadecimal digits. */
export type Guid = string;

export interface PairHandshake {
  readonly guid: Guid;
  /** Unused by v0.8.2; ours are in extension.ts. */
  readonly flags: number;
}

/** Why a datagram is no handshake that can be worked with. Names are used as drop reasons. */
export type PairFault = 'not-a-handshake' | 'too-short' | 'zero-guid';

export type HandshakeResult =
  | { readonly ok: true; readonly handshake: PairHandshake }
  | { readonly ok: false; readonly fault: PairFault };

/**
 * The handshake of v0.8.2, whose MAC is still to be verified. Big-endian.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *     |                       magic 0x04B28000                        |
 *     +-------------------------------+-------------------------------+
 *     |  length of what is behind 56  |            flags              |
 *     +-------------------------------+-------------------------------+
 *     |                  GUID (16 bytes, not all zero)                |
 *     +---------------------------------------------------------------+
 *     |  HMAC-SHA256 of the whole datagram, these 32 bytes as zeros   |
 *     +---------------------------------------------------------------+
 *     |  anything, up to the end of the datagram                      |
 *
 * The length field is not judged: v0.8.2 takes a handshake whose length is wrong.
 */
export function decodeHandshake(packet: Uint8Array): HandshakeResult {
  if (firstWord(packet) !== PAIR_MAGIC) return refuse('not-a-handshake');
  if (packet.length < HANDSHAKE_BYTES) return refuse('too-short');
  const guid = guidAt(packet, GUID_OFFSET);
  if (guid === ZERO_GUID) return refuse('zero-guid');
  return { ok: true, handshake: { guid, flags: ((packet[6] ?? 0) << 8) | (packet[7] ?? 0) } };
}

/** `behind` is what follows the 56 bytes. Throws PairEncodeError for what has no encoding. */
export function encodeHandshake(handshake: PairHandshake, key: Uint8Array, behind: Uint8Array = NOTHING): Uint8Array {
  const { guid, flags } = handshake;
  if (!GUID.test(guid)) throw new PairEncodeError('a GUID has 32 hexadecimal digits');
  if (!Number.isInteger(flags) || flags < 0 || flags > 0xffff) throw new PairEncodeError('flags have 16 bits');
  if (behind.length > 0xffff) throw new PairEncodeError('the length field has 16 bits');
  const packet = new Uint8Array(HANDSHAKE_BYTES + behind.length);
  const view = new DataView(packet.buffer);
  view.setUint32(0, PAIR_MAGIC);
  view.setUint16(4, behind.length);
  view.setUint16(6, flags);
  packet.set(Buffer.from(guid, 'hex'), GUID_OFFSET);
  packet.set(behind, HANDSHAKE_BYTES);
  packet.set(handshakeMac(packet, key), MAC_OFFSET);
  return packet;
}

/** The key that the MAC of a handshake (56 bytes or more) was made with; undefined when it is none of them. */
export function keyOfHandshake(packet: Uint8Array, keys: readonly Uint8Array[]): Uint8Array | undefined {
  const mac = packet.subarray(MAC_OFFSET, MAC_OFFSET + MAC_BYTES);
  return keys.find((key) => timingSafeEqual(handshakeMac(packet, key), mac));
}

export function guidAt(packet: Uint8Array, offset: number): Guid {
  return Buffer.from(packet.buffer, packet.byteOffset + offset, GUID_BYTES).toString('hex');
}

/** Stands for no GUID, so nobody may meet under it. */
export const ZERO_GUID: Guid = '0'.repeat(32);

/** Thrown for values that no handshake can carry: a mistake of the caller. */
export class PairEncodeError extends Error {
  override readonly name = 'PairEncodeError';
  readonly code = 'CULVERT_PAIR_ENCODE';
}

function handshakeMac(packet: Uint8Array, key: Uint8Array): Uint8Array {
  return hmac('sha256', key, packet.subarray(0, MAC_OFFSET), BLANK, packet.subarray(MAC_OFFSET + MAC_BYTES));
}

function refuse(fault: PairFault): HandshakeResult {
  return { ok: false, fault };
}

const GUID_OFFSET = 8;
const GUID_BYTES = 16;
const MAC_OFFSET = 24;
const MAC_BYTES = 32;
const BLANK: Uint8Array = new Uint8Array(MAC_BYTES);
const NOTHING: Uint8Array = new Uint8Array(0);
const GUID: RegExp = /^[0-9a-f]{32}$/;
