import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secret: KeyObject;
}

/** `privateKey`: 32 bytes, clamped or not. */
export function keyPairOf(privateKey: Uint8Array): KeyPair {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8, privateKey]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(secret).export({ format: 'der', type: 'spki' });
  return { publicKey: new Uint8Array(publicKey.subarray(SPKI.length)), secret };
}

/** X25519 (RFC 7748 §6.1). Undefined for a public key of small order, which would give the same secret to everybody. */
export function agree(secret: KeyObject, publicKey: Uint8Array): Uint8Array | undefined {
  const other = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  try {
    return new Uint8Array(diffieHellman({ privateKey: secret, publicKey: other }));
  } catch {
    return undefined;
  }
}

/** What stands before the 32 bytes of a key in DER (RFC 8410 §4 and §7). */
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
