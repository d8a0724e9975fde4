import { createHmac, hash } from 'node:crypto';

type HmacAlgorithm = 'sha1' | 'sha256' | 'blake2s256';

/**
 * HMAC (RFC 2104) of pieces as if laid end to end.
 *
 * Made of two one-shot hashes: under OpenSSL 3 createHmac looks its algorithm up anew in every call, which costs ten times as much.
 * The scratch buffers are shared: synchronous code cannot meet itself in here.
 */
export function hmac(algorithm: HmacAlgorithm, key: Uint8Array, ...pieces: readonly Uint8Array[]): Buffer {
  let end = BLOCK_BYTES;
  for (const piece of pieces) end += piece.length;
  if (end > inner.length) return hmacOfMuch(algorithm, key, pieces);
  let offset = BLOCK_BYTES;
  for (const piece of pieces) {
    inner.set(piece, offset);
    offset += piece.length;
  }
  padKey(key.length > BLOCK_BYTES ? digest(algorithm, key) : key);
  outer.write(hash(algorithm, new Uint8Array(inner.buffer, 0, end), 'binary'), BLOCK_BYTES, 'latin1');
  return digest(algorithm, outers[algorithm]);
}

function hmacOfMuch(algorithm: HmacAlgorithm, key: Uint8Array, pieces: readonly Uint8Array[]): Buffer {
  const mac = createHmac(algorithm, key);
  for (const piece of pieces) mac.update(piece);
  return mac.digest();
}

function padKey(key: Uint8Array): void {
  for (let index = 0; index < BLOCK_BYTES; index++) {
    const byte = index < key.length ? (key[index] ?? 0) : 0;
    inner[index] = byte ^ 0x36;
    outer[index] = byte ^ 0x5c;
  }
}

/** By way of a string, since the Buffer that `hash` would make is allocated outside the heap and costs twice the hash. */
function digest(algorithm: HmacAlgorithm, data: Uint8Array): Buffer {
  return Buffer.from(hash(algorithm, data, 'binary'), 'latin1');
}

/** Of all three. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES_MAX = 32;
const STUN_MESSAGE_BYTES_MAX = 20 + 0xfffc;
const inner: Uint8Array = new Uint8Array(BLOCK_BYTES + STUN_MESSAGE_BYTES_MAX);
const outer: Buffer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES_MAX);
/** The key block with a digest behind it. */
const outers: Readonly<Record<HmacAlgorithm, Uint8Array>> = {
  sha1: outer.subarray(0, BLOCK_BYTES + 20),
  sha256: outer.subarray(0, BLOCK_BYTES + DIGEST_BYTES_MAX),
  blake2s256: outer.subarray(0, BLOCK_BYTES + DIGEST_BYTES_MAX),
};
