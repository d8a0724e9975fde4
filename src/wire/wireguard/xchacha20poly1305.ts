import { createCipheriv, createDecipheriv } from 'node:crypto';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const ROUNDS = 20;

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha §2): the subkey of key and the first 16 bytes of the nonce by HChaCha20, then
 * node:crypto's ChaCha20-Poly1305 with the other eight. `key` 32 bytes, `nonce` 24; the result is 16 bytes longer than `plain`.
 */
export function sealXChaCha(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, aad: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', hChaCha20(key, nonce), shortNonce(nonce), TAG);
  cipher.setAAD(aad, { plaintextLength: plain.length });
  return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
}

/** Undefined when key, nonce or `aad` are not those it was sealed with, or a byte has changed. */
export function openXChaCha(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = createDecipheriv('chacha20-poly1305', hChaCha20(key, nonce), shortNonce(nonce), TAG);
  decipher.setAAD(aad, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  try {
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()]));
  } catch {
    return undefined;
  }
}

/** draft-irtf-cfrg-xchacha §2.2: ChaCha20's rounds without the addition at the end; the first and the last row are the subkey. */
export function hChaCha20(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const rows = new Int32Array(16);
  rows.set(CONSTANTS);
  const [keyView, nonceView] = [viewOf(key), viewOf(nonce)];
  for (let index = 0; index < 8; index++) rows[4 + index] = keyView.getInt32(index * 4, true);
  for (let index = 0; index < 4; index++) rows[12 + index] = nonceView.getInt32(index * 4, true);
  for (let round = 0; round < ROUNDS; round += 2) {
    for (let column = 0; column < 4; column++) quarterRound(rows, column, column + 4, column + 8, column + 12);
    quarterRound(rows, 0, 5, 10, 15);
    quarterRound(rows, 1, 6, 11, 12);
    quarterRound(rows, 2, 7, 8, 13);
    quarterRound(rows, 3, 4, 9, 14);
  }
  const subkey = new Uint8Array(KEY_BYTES);
  const out = viewOf(subkey);
  for (let index = 0; index < 4; index++) {
    out.setInt32(index * 4, rows[index] ?? 0, true);
    out.setInt32(16 + index * 4, rows[12 + index] ?? 0, true);
  }
  return subkey;
}

/** RFC 8439 §2.1. */
function quarterRound(rows: Int32Array, ia: number, ib: number, ic: number, id: number): void {
  step(rows, ia, ib, id, 16);
  step(rows, ic, id, ib, 12);
  step(rows, ia, ib, id, 8);
  step(rows, ic, id, ib, 7);
}

/** `to` += `from`; then `turned` ^= `to`, rotated left. */
function step(rows: Int32Array, to: number, from: number, turned: number, bits: number): void {
  rows[to] = (rows[to] ?? 0) + (rows[from] ?? 0);
  const mixed = (rows[turned] ?? 0) ^ (rows[to] ?? 0);
  rows[turned] = (mixed << bits) | (mixed >>> (32 - bits));
}

function shortNonce(nonce: Uint8Array): Uint8Array {
  const short = new Uint8Array(12);
  short.set(nonce.subarray(16, 24), 4);
  return short;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const TAG = { authTagLength: TAG_BYTES } as const;
/** "expand 32-byte k" */
const CONSTANTS = Int32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);
