import { createHash } from 'node:crypto';
import type { EncodeOptions } from '../wire/stun/codec.ts';
import type { PasswordAlgorithm, StunAttributes, StunMessage } from '../wire/stun/message.ts';
import { ProbeError } from './failure.ts';
import type { PasswordCredentials } from './target.ts';

export type Integrity = NonNullable<EncodeOptions['integrity']>;

/**
 * The client's side of the long-term credential mechanism (RFC 8489 §9.2). Without a challenge it adds nothing to a request
 * (§9.2.3.1); with one it answers as the challenge wants: MD5 and HMAC-SHA1 when the server is an older one, the first algorithm of
 * PASSWORD-ALGORITHMS with HMAC-SHA256, and USERHASH, when the nonce cookie offers them.
 */
export class LongTermAuth {
  readonly #credentials: PasswordCredentials | undefined;
  #challenge: Challenge | undefined;

  constructor(credentials: PasswordCredentials | undefined) {
    this.#credentials = credentials;
  }

  get realm(): string | undefined {
    return this.#challenge?.realm;
  }

  /** How requests are protected now, for people: "SHA-256 with USERHASH", "MD5". */
  get mechanism(): string {
    const sha256 = this.#challenge?.integrity.algorithm === 'sha256';
    return `${sha256 ? 'HMAC-SHA256' : 'HMAC-SHA1'}${this.#challenge?.attributes.userhash ? ' with USERHASH' : ''}`;
  }

  get attributes(): StunAttributes {
    return this.#challenge?.attributes ?? {};
  }

  get integrity(): Integrity | undefined {
    return this.#challenge?.integrity;
  }

  /**
   * Takes a 401 or 438 (RFC 8489 §9.2.5). Throws ProbeError when another try would be pointless: no credentials, or they were tried
   * already, or the server's offer contradicts its nonce.
   */
  challenged(response: StunMessage): void {
    const { realm = this.#challenge?.realm, nonce, passwordAlgorithms, errorCode } = response.attributes;
    if (realm === undefined || nonce === undefined) {
      throw new ProbeError('bad-response', `the server's ${errorCode?.code} has no REALM or NONCE`);
    }
    const features = nonceFeatures(nonce);
    if (features.passwordAlgorithms && passwordAlgorithms === undefined) {
      throw new ProbeError(
        'bid-down',
        'the nonce promises PASSWORD-ALGORITHMS, the response has none (RFC 8489 §9.2.1)',
      );
    }
    if (this.#credentials === undefined) throw new ProbeError('no-credentials', 'the server asks for credentials');
    if (errorCode?.code === 401 && this.#challenge !== undefined) {
      throw new ProbeError('error-response', 'the server refuses the credentials', errorCode);
    }
    this.#challenge = answer(this.#credentials, realm, nonce, features.userhash, passwordAlgorithms);
  }
}

interface Challenge {
  readonly realm: string;
  readonly attributes: StunAttributes;
  readonly integrity: Integrity;
}

const ALGORITHM_MD5 = 1;
const ALGORITHM_SHA256 = 2;

function answer(
  { username, password }: PasswordCredentials,
  realm: string,
  nonce: string,
  userhash: boolean,
  offered: readonly PasswordAlgorithm[] | undefined,
): Challenge {
  const who: StunAttributes = userhash ? { userhash: hash('sha256', `${username}:${opaque(realm)}`) } : { username };
  const secret = `${username}:${opaque(realm)}:${opaque(password)}`;
  if (offered === undefined) {
    return { realm, attributes: { ...who, realm, nonce }, integrity: { algorithm: 'sha1', key: hash('md5', secret) } };
  }
  const chosen = offered.find(({ algorithm }) => algorithm === ALGORITHM_SHA256 || algorithm === ALGORITHM_MD5);
  if (chosen === undefined)
    throw new ProbeError('bad-response', 'the server offers no password algorithm that we know');
  const key = hash(chosen.algorithm === ALGORITHM_SHA256 ? 'sha256' : 'md5', secret);
  return {
    realm,
    attributes: { ...who, realm, nonce, passwordAlgorithms: offered, passwordAlgorithm: chosen },
    integrity: { algorithm: 'sha256', key },
  };
}

/** RFC 8489 §9.2 and §18.1: "obMatJos2" and 24 feature bits in base64, the first the most significant. */
function nonceFeatures(nonce: string): { readonly passwordAlgorithms: boolean; readonly userhash: boolean } {
  const bits = /^obMatJos2([A-Za-z0-9+/]{4})/.exec(nonce)?.[1];
  const first = bits === undefined ? 0 : (Buffer.from(bits, 'base64')[0] ?? 0);
  return { passwordAlgorithms: (first & 0x80) !== 0, userhash: (first & 0x40) !== 0 };
}

/** The part of the OpaqueString profile (RFC 8265 §4.2) that changes bytes: other spaces become spaces, then NFC. */
function opaque(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}

function hash(algorithm: 'md5' | 'sha256', text: string): Uint8Array {
  return createHash(algorithm).update(text).digest();
}
