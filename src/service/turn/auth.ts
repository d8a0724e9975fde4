import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { type DecodedMessage, type IntegrityAlgorithm, verifyIntegrity } from '../../wire/stun/codec.ts';
import type { StunAttributes } from '../../wire/stun/message.ts';
import type { TurnConfig } from './config.ts';
import { type Claim, Credentials } from './credentials.ts';
import { FEATURE_PASSWORD_ALGORITHMS, FEATURE_USERNAME_ANONYMITY, NonceMint } from './nonce.ts';
import { negotiatePasswordHash, PASSWORD_ALGORITHMS } from './password-algorithms.ts';

declare const proof: unique symbol;

/**
 * How a reply is signed (RFC 8489 §9.2.4, last paragraph): with the key of the request; SHA-256 when the request named a password
 * algorithm, else SHA-1, whichever of the two the request itself was signed with.
 */
export interface ReplyIntegrity {
  readonly algorithm: IntegrityAlgorithm;
  readonly key: Uint8Array;
}

/** A request whose sender is known. Only authenticate() makes one. */
export interface AuthenticatedRequest {
  readonly [proof]: true;
  readonly message: DecodedMessage;
  /** Canonical name of the user, for 441 and quotas: equal for the USERNAME and the USERHASH form, and for a renewed credential. */
  readonly user: string;
  readonly integrity: ReplyIntegrity;
  /** When the nonce of the request was issued. */
  readonly nonceIssuedAt: Millis;
}

/** Counted under these names. */
export type AuthRefusal =
  | 'no-integrity'
  | 'incomplete-credentials'
  | 'no-nonce'
  | 'unknown-user'
  | 'expired-credentials'
  | 'wrong-integrity'
  | 'wrong-realm'
  | 'bad-nonce'
  | 'stale-nonce'
  | 'bid-down'
  | 'bad-password-algorithm';

export type AuthResult = { readonly ok: true; readonly request: AuthenticatedRequest } | AuthFailure;

export interface AuthFailure {
  readonly ok: false;
  readonly refusal: AuthRefusal;
  readonly code: 400 | 401 | 438;
  /** REALM, NONCE, PASSWORD-ALGORITHMS where the RFC wants them. */
  readonly attributes: StunAttributes;
  readonly integrity: ReplyIntegrity | undefined;
}

/** RFC 8489 §9.2.4: the checks of the long-term credential mechanism, in its order. Stateless but for a bounded key cache. */
export class Authenticator {
  readonly #credentials: Credentials;
  readonly #nonces: NonceMint;
  readonly #features: number;

  /** Throws CredentialConfigError for names, passwords or secrets that cannot be used. */
  constructor(config: Pick<TurnConfig, 'realm' | 'credentials' | 'nonceKey' | 'nonceLifetime'>) {
    this.#credentials = new Credentials(config.realm, config.credentials);
    this.#nonces = new NonceMint(config.nonceKey, config.nonceLifetime);
    // A client that sees the anonymity bit must send USERHASH (§9.2.5), from which a time-limited name cannot be read.
    const anonymity = this.#credentials.knowsEveryName ? FEATURE_USERNAME_ANONYMITY : 0;
    this.#features = FEATURE_PASSWORD_ALGORITHMS | anonymity;
  }

  /** Whether somebody of that name, as a request proved it, may still be a user: what is kept over a restart is asked about. */
  mayHold(user: string, realm: string): boolean {
    return realm === this.#credentials.realm && this.#credentials.mayBeValid(user);
  }

  authenticate(packet: Uint8Array, message: DecodedMessage, client: Endpoint, now: Millis): AuthResult {
    const { realm, nonce } = message.attributes;
    // 1. Without any integrity: 401.
    const proves = integrityCheck(packet, message);
    if (proves === undefined) return this.#challenge(401, 'no-integrity', client, now);
    // 2. With integrity, but without what it is to be checked by: 400.
    const claim = claimOf(message.attributes);
    if (claim === undefined || realm === undefined) return badRequest('incomplete-credentials');
    if (nonce === undefined) return this.#refuseWithoutNonce(claim, realm, proves, client, now);
    // 3. The password algorithm, against bid-down (§9.2.1): 400.
    const negotiated = negotiatePasswordHash(message.attributes, nonce);
    const algorithm = negotiated.explicit ? 'sha256' : 'sha1';
    const search = this.#credentials.findKey(claim, negotiated.hash, now, proves);
    if (negotiated.refusal !== undefined) {
      // A client must ignore an unsigned 400 (§9.2.5). The key signs nothing for whoever did not prove to have it.
      return badRequest(negotiated.refusal, search.ok ? { algorithm, key: search.key } : undefined);
    }
    // 4. and 5. A name that is not valid, and integrity that does not match: the same 401.
    if (realm !== this.#credentials.realm) return this.#challenge(401, 'wrong-realm', client, now);
    if (!search.ok) return this.#challenge(401, search.refusal, client, now);
    // 6. The nonce, last: only a client that knows its password learns what is wrong with it.
    const integrity: ReplyIntegrity = { algorithm, key: search.key };
    const verdict = this.#nonces.verify(nonce, client, now);
    if (verdict.kind === 'bad') return this.#challenge(438, 'bad-nonce', client, now, integrity);
    if (verdict.kind === 'stale') return this.#challenge(438, 'stale-nonce', client, now, integrity);
    const facts = { message, user: search.user, integrity, nonceIssuedAt: verdict.issuedAt };
    return { ok: true, request: facts as AuthenticatedRequest };
  }

  /**
   * §9.2.4 wants 400. But Firezone's clients sign their first request already, take no answer that is not signed, and give the relay up on a
   * 400: where their credentials are served, a sender that has a password is challenged. To all others it is 400.
   */
  #refuseWithoutNonce(
    claim: Claim,
    realm: string,
    proves: (key: Uint8Array) => boolean,
    client: Endpoint,
    now: Millis,
  ): AuthFailure {
    if (realm === this.#credentials.realm && this.#credentials.servesFirezone) {
      const search = this.#credentials.findKey(claim, 'md5', now, proves);
      if (search.ok) return this.#challenge(401, 'no-nonce', client, now, { algorithm: 'sha1', key: search.key });
    }
    return badRequest('incomplete-credentials');
  }

  /** A fresh 438 for an authenticated request that the service finds older than what it applies to. */
  staleNonce(request: AuthenticatedRequest, client: Endpoint, now: Millis): AuthFailure {
    return this.#challenge(438, 'stale-nonce', client, now, request.integrity);
  }

  #challenge(
    code: 401 | 438,
    refusal: AuthRefusal,
    client: Endpoint,
    now: Millis,
    integrity?: ReplyIntegrity,
  ): AuthFailure {
    const attributes: StunAttributes = {
      realm: this.#credentials.realm,
      nonce: this.#nonces.issue(client, this.#features, now),
      passwordAlgorithms: PASSWORD_ALGORITHMS,
    };
    return { ok: false, refusal, code, attributes, integrity };
  }
}

function badRequest(refusal: AuthRefusal, integrity?: ReplyIntegrity): AuthFailure {
  return { ok: false, refusal, code: 400, attributes: {}, integrity };
}

/** The check of the stronger integrity attribute that is there; undefined when there is none. */
function integrityCheck(packet: Uint8Array, message: DecodedMessage): ((key: Uint8Array) => boolean) | undefined {
  const { messageIntegrity: sha1, messageIntegritySha256: sha256 } = message;
  // §14.6: a usage that allows truncation says so, and TURN does not.
  if (sha256 !== undefined) {
    return (key) => sha256.mac.length === SHA256_BYTES && verifyIntegrity(packet, sha256, 'sha256', key);
  }
  return sha1 && ((key) => verifyIntegrity(packet, sha1, 'sha1', key));
}

function claimOf({ username, userhash }: StunAttributes): Claim | undefined {
  if (username !== undefined) return { username };
  return userhash && { userhash };
}

const SHA256_BYTES = 32;
