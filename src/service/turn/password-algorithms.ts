import type { PasswordAlgorithm, StunAttributes } from '../../wire/stun/message.ts';
import type { PasswordHash } from './credentials.ts';
import { FEATURE_PASSWORD_ALGORITHMS, nonceFeatures } from './nonce.ts';

/** What we offer, the preferred one first (RFC 8489 §14.11, §18.5). */
export const PASSWORD_ALGORITHMS: readonly PasswordAlgorithm[] = [
  { algorithm: 0x0002, parameters: new Uint8Array(0) },
  { algorithm: 0x0001, parameters: new Uint8Array(0) },
];

export interface NegotiatedHash {
  readonly hash: PasswordHash;
  /** Whether the request named it; replies are then signed with MESSAGE-INTEGRITY-SHA256, else with MESSAGE-INTEGRITY (§9.2.4, end). */
  readonly explicit: boolean;
  readonly refusal: 'bid-down' | 'bad-password-algorithm' | undefined;
}

/** The third check of RFC 8489 §9.2.4. */
export function negotiatePasswordHash(attributes: StunAttributes, nonce: string): NegotiatedHash {
  const { passwordAlgorithm: chosen, passwordAlgorithms: offered } = attributes;
  // Clients from before RFC 8489 send neither.
  if (chosen === undefined && offered === undefined) return { hash: 'md5', explicit: false, refusal: undefined };
  const hash = chosen === undefined ? undefined : hashOf(chosen);
  return { hash: hash ?? 'md5', explicit: true, refusal: refusalOf(nonce, offered, chosen, hash) };
}

function refusalOf(
  nonce: string,
  offered: readonly PasswordAlgorithm[] | undefined,
  chosen: PasswordAlgorithm | undefined,
  hash: PasswordHash | undefined,
): NegotiatedHash['refusal'] {
  const features = nonceFeatures(nonce) ?? 0;
  // A nonce that promises no algorithms is none of ours and ends in 438.
  if ((features & FEATURE_PASSWORD_ALGORITHMS) === 0) return undefined;
  if (chosen === undefined || offered === undefined || !isOurOffer(offered)) return 'bid-down';
  return hash === undefined ? 'bad-password-algorithm' : undefined;
}

function isOurOffer(offered: readonly PasswordAlgorithm[]): boolean {
  return (
    offered.length === PASSWORD_ALGORITHMS.length &&
    PASSWORD_ALGORITHMS.every((own, index) => {
      const theirs = offered[index];
      return theirs !== undefined && theirs.algorithm === own.algorithm && theirs.parameters.length === 0;
    })
  );
}

/** Neither algorithm takes parameters (§18.5.1): with some it is another algorithm than ours. */
function hashOf({ algorithm, parameters }: PasswordAlgorithm): PasswordHash | undefined {
  if (parameters.length > 0) return undefined;
  if (algorithm === 0x0001) return 'md5';
  return algorithm === 0x0002 ? 'sha256' : undefined;
}
