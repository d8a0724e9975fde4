import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { type Millis, SECOND } from '../../net/time.ts';

/** The username of a time-limited credential, taken apart: `expiry[:name]`, expiry in Unix seconds. */
export interface TimeLimitedName {
  readonly username: string;
  /** As written: Firezone's password is made from this text. */
  readonly expiryText: string;
  readonly expiresAt: Millis;
  /** Behind the first colon; undefined without one. */
  readonly name: string | undefined;
}

/**
 * Strict: decimal, no sign, no leading zero, at most 2^53, no control characters in the name. Undefined for anything else, which is then
 * no time-limited name.
 */
export function parseTimeLimitedName(username: string): TimeLimitedName | undefined {
  const [, expiryText, name] = NAME.exec(username) ?? [];
  if (expiryText === undefined) return undefined;
  const expiry = Number(expiryText);
  if (!Number.isSafeInteger(expiry)) return undefined;
  return { username, expiryText, expiresAt: expiry * SECOND, name };
}

/** Good up to and including the very second of expiry (its first millisecond), as Firezone's relay and coturn have it. */
export function hasExpired(name: TimeLimitedName, now: Millis): boolean {
  return now > name.expiresAt;
}

/**
 * Who holds the credential: the name without its expiry, so that a renewed credential is the same user's, for quotas and for
 * allocations that live. The prefix keeps such a name apart from a long-term user's.
 */
export function userOf({ username, name }: TimeLimitedName): string {
  return `time-limited:${name === undefined || name === '' ? username : name}`;
}

/** The passwords that a time-limited name may have: one per secret of either form. */
export class TimeLimitedPasswords {
  readonly #secrets: readonly KeyObject[];
  readonly #stampSecrets: readonly string[];

  constructor(secrets: readonly string[], stampSecrets: readonly string[]) {
    this.#secrets = secrets.map((secret) => createSecretKey(secret, 'utf8'));
    this.#stampSecrets = stampSecrets;
  }

  /** Whether any name can be valid at all. */
  get enabled(): boolean {
    return this.#secrets.length + this.#stampSecrets.length > 0;
  }

  *of(name: TimeLimitedName): Generator<string, void> {
    for (const secret of this.#secrets) yield restPassword(name.username, secret);
    if (name.name === undefined) return;
    for (const secret of this.#stampSecrets) yield firezonePassword(name.expiryText, secret, name.name);
  }
}

/** The REST form that coturn made common: base64 of HMAC-SHA1 over the whole username. */
export function restPassword(username: string, secret: string | KeyObject): string {
  return createHmac('sha1', secret).update(username).digest('base64');
}

/** Firezone's form: the salt is what follows the first colon of the username. */
export function firezonePassword(expiryText: string, stampSecret: string, salt: string): string {
  return hash('sha256', `${expiryText}:${stampSecret}:${salt}`, 'base64').replaceAll('=', '');
}

// 16 digits hold 2^53; \p{Cc} are the control characters, NUL among them.
const NAME: RegExp = /^(0|[1-9][0-9]{0,15})(?::(\P{Cc}*))?$/u;
