import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { DecodedMessage, IntegrityAlgorithm } from '../../wire/stun/codec.ts';
import type { StunAttributes } from '../../wire/stun/message.ts';
import type { TurnConfig } from './config.ts';

declare const proof: unique symbol;

/** How a reply to an authenticated request is signed (RFC 8489 §9.2.4: with the request's own algorithm and key). */
export interface ReplyIntegrity {
  readonly algorithm: IntegrityAlgorithm;
  readonly key: Uint8Array;
}

/** A request whose sender is known. Only authenticate() makes one. */
export interface AuthenticatedRequest {
  readonly [proof]: true;
  readonly message: DecodedMessage;
  /** Canonical name of the user, for 441 and quotas: equal for the USERNAME and the USERHASH form. */
  readonly user: string;
  readonly integrity: ReplyIntegrity;
  /** When the nonce of the request was issued. */
  readonly nonceIssuedAt: Millis;
}

/** Counted under these names. */
export type AuthRefusal =
  | 'no-integrity'
  | 'incomplete-credentials'
  | 'unknown-user'
  | 'expired-credentials'
  | 'wrong-integrity'
  | 'wrong-realm'
  | 'bad-nonce'
  | 'stale-nonce'
  | 'bid-down'
  | 'bad-password-algorithm';

export type AuthResult =
  | { readonly ok: true; readonly request: AuthenticatedRequest }
  | {
      readonly ok: false;
      readonly refusal: AuthRefusal;
      readonly code: 400 | 401 | 438;
      /** REALM, NONCE, PASSWORD-ALGORITHMS where the RFC wants them. */
      readonly attributes: StunAttributes;
      readonly integrity: ReplyIntegrity | undefined;
    };

/** RFC 8489 §9.2.4: the checks of the long-term credential mechanism, in its order. Stateless but for a bounded key cache. */
export class Authenticator {
  constructor(_config: Pick<TurnConfig, 'realm' | 'credentials' | 'nonceKey' | 'nonceLifetime'>) {}

  authenticate(_packet: Uint8Array, _message: DecodedMessage, _client: Endpoint, _now: Millis): AuthResult {
    throw new Error('not built yet');
  }
}
