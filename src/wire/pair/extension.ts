import { HANDSHAKE_BYTES } from './handshake.ts';

/**
 * Culvert's extension against replays, in the flags and behind the 56 bytes of a v0.8.2 handshake (docs/pair-anti-replay.md).
 *
 *     offset 56: nonce (24 bytes): zero when the client has none yet, else the one that the relay gave to this address
 */
export const FLAG_NONCE = 0x0001;
/** Set by the relay only: the datagram is its answer and brings a nonce. */
export const FLAG_CHALLENGE = 0x0002;
export const NONCE_BYTES = 24;

/** The nonce of a handshake, as a view: undefined when its flags or its size say that it carries none. */
export function nonceOf(packet: Uint8Array, flags: number): Uint8Array | undefined {
  if ((flags & FLAG_NONCE) === 0 || packet.length < HANDSHAKE_BYTES + NONCE_BYTES) return undefined;
  return packet.subarray(HANDSHAKE_BYTES, HANDSHAKE_BYTES + NONCE_BYTES);
}

export function isBlankNonce(nonce: Uint8Array): boolean {
  return nonce.every((byte) => byte === 0);
}
