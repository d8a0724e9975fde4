import { createCipheriv, createDecipheriv } from 'node:crypto';

/** ChaCha20-Poly1305 (RFC 8439) with WireGuard's nonce: four zero bytes, then the counter, little-endian. */
export function seal(key: Uint8Array, counter: bigint, plain: Uint8Array, aad: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonceOf(counter), TAG);
  cipher.setAAD(aad, { plaintextLength: plain.length });
  return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
}

/** Undefined when it was not sealed so. `sealed` is never shorter than its tag. */
export function open(key: Uint8Array, counter: bigint, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - TAG.authTagLength;
  const decipher = createDecipheriv('chacha20-poly1305', key, nonceOf(counter), TAG);
  decipher.setAAD(aad, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  try {
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()]));
  } catch {
    return undefined;
  }
}

function nonceOf(counter: bigint): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, counter, true);
  return nonce;
}

const TAG = { authTagLength: 16 } as const;
