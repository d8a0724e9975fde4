import { hash, timingSafeEqual } from 'node:crypto';
import { keyedBlake2s } from './blake2s.ts';
import { INITIATION_BYTES, RESPONSE_BYTES } from './message.ts';

const MAC_BYTES = 16;

/** Key of every mac1 that is meant for the owner of `publicKey` (whitepaper §5.4.4). */
export function mac1Key(publicKey: Uint8Array): Uint8Array {
  return hash('blake2s256', concat(LABEL_MAC1, publicKey), 'buffer');
}

/** Key that cookie replies of the owner of `publicKey` are sealed with (whitepaper §5.4.7). */
export function cookieKey(publicKey: Uint8Array): Uint8Array {
  return hash('blake2s256', concat(LABEL_COOKIE, publicKey), 'buffer');
}

/** The mac1 that an initiation or response would have with this key; the two MACs at its end do not matter. */
export function computeMac1(packet: Uint8Array, key: Uint8Array): Uint8Array {
  return keyed(key, packet.subarray(0, mac1Offset(packet)));
}

/** Keyed BLAKE2s with a cookie, over the message up to mac2. */
export function computeMac2(packet: Uint8Array, cookie: Uint8Array): Uint8Array {
  return keyed(cookie, packet.subarray(0, mac1Offset(packet) + MAC_BYTES));
}

/** Whether an initiation or response is meant for the owner of the key. */
export function hasMac1(packet: Uint8Array, key: Uint8Array): boolean {
  const at = mac1Offset(packet);
  return timingSafeEqual(keyed(key, packet.subarray(0, at)), packet.subarray(at, at + MAC_BYTES));
}

export function hasMac2(packet: Uint8Array, cookie: Uint8Array): boolean {
  const at = mac1Offset(packet) + MAC_BYTES;
  return timingSafeEqual(keyed(cookie, packet.subarray(0, at)), packet.subarray(at, at + MAC_BYTES));
}

/** Signs in place: mac1 for the recipient, and mac2 when there is a cookie of his. */
export function sign(packet: Uint8Array, key: Uint8Array, cookie?: Uint8Array): Uint8Array {
  const at = mac1Offset(packet);
  packet.set(computeMac1(packet, key), at);
  if (cookie === undefined) packet.fill(0, at + MAC_BYTES, at + 2 * MAC_BYTES);
  else packet.set(computeMac2(packet, cookie), at + MAC_BYTES);
  return packet;
}

/** A copy without mac2: whoever gets it next would take a cookie of ours for a wrong one of his own. */
export function withoutMac2(packet: Uint8Array): Uint8Array {
  const copy = packet.slice();
  const at = mac1Offset(packet) + MAC_BYTES;
  return copy.fill(0, at, at + MAC_BYTES);
}

/** Keyed BLAKE2s with 16 bytes of output, of pieces laid end to end. */
export function keyed(key: Uint8Array, ...pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  return keyedBlake2s(key, MAC_BYTES, pieces.length === 1 && only !== undefined ? only : concat(...pieces));
}

/** Both MACs stand at the end of the two messages that have any. */
function mac1Offset(packet: Uint8Array): number {
  if (packet.length !== INITIATION_BYTES && packet.length !== RESPONSE_BYTES) {
    throw new TypeError(`a message of ${packet.length} bytes has no MACs`);
  }
  return packet.length - 2 * MAC_BYTES;
}

function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const LABEL_MAC1 = new TextEncoder().encode('mac1----');
const LABEL_COOKIE = new TextEncoder().encode('cookie--');
