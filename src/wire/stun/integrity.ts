import { timingSafeEqual } from 'node:crypto';
import { hmac } from '../hmac.ts';
import { HEADER_BYTES } from './header.ts';

export type IntegrityAlgorithm = 'sha1' | 'sha256';

/** Where an integrity attribute stands in the packet, for verifyIntegrity. Offset of its type field, from the start of the message. */
export interface IntegrityAttribute {
  readonly offset: number;
  /** The MAC as sent: 20 bytes, or 16 to 32 in steps of 4 for SHA-256. A view into the packet. */
  readonly mac: Uint8Array;
}

/** MAC lengths that the attributes may have (RFC 8489 §14.5 and §14.6). */
export function isMacLength(algorithm: IntegrityAlgorithm, length: number): boolean {
  return algorithm === 'sha1'
    ? length === MAC_BYTES.sha1
    : length >= 16 && length <= MAC_BYTES.sha256 && length % 4 === 0;
}

/**
 * Whether the MAC of `attribute` over `packet` is right under `key`; constant time. A truncated SHA-256 MAC is compared as far as it goes:
 * whether one is acceptable is for the usage to say (RFC 8489 §14.6), and TURN does not allow it.
 */
export function verifyIntegrity(
  packet: Uint8Array,
  attribute: IntegrityAttribute,
  algorithm: IntegrityAlgorithm,
  key: Uint8Array,
): boolean {
  const { offset, mac } = attribute;
  if (!isMacLength(algorithm, mac.length)) return false;
  const right = messageMac(packet, offset, mac.length, algorithm, key);
  return timingSafeEqual(mac, right.subarray(0, mac.length));
}

/**
 * The full MAC of a message whose integrity attribute stands at `offset` and holds `macLength` bytes. The length field counts as if the
 * message ended behind that attribute (RFC 8489 §14.5); the packet itself is left as it is.
 */
export function messageMac(
  packet: Uint8Array,
  offset: number,
  macLength: number,
  algorithm: IntegrityAlgorithm,
  key: Uint8Array,
): Uint8Array {
  const length = offset + 4 + macLength - HEADER_BYTES;
  start[0] = packet[0] ?? 0;
  start[1] = packet[1] ?? 0;
  start[2] = length >>> 8;
  start[3] = length;
  return hmac(algorithm, key, start, new Uint8Array(packet.buffer, packet.byteOffset + 4, offset - 4));
}

export const MAC_BYTES: Readonly<Record<IntegrityAlgorithm, number>> = { sha1: 20, sha256: 32 };

/** Message type and length: what goes before the part of the packet that is hashed as it stands. */
const start: Uint8Array = new Uint8Array(4);
