import { hash } from 'node:crypto';
import type { Millis } from '../../net/time.ts';
import type { CredentialConfig } from './config.ts';
import { KeyCache } from './key-cache.ts';
import { opaqueString } from './opaque-string.ts';
import {
  hasExpired,
  parseTimeLimitedName,
  type TimeLimitedName,
  TimeLimitedPasswords,
  userOf,
} from './time-limited.ts';

/** How a password becomes an HMAC key (RFC 8489 §18.5.1). */
export type PasswordHash = 'md5' | 'sha256';

/** Who a request says it is from: by name, or by SHA-256 of "name:realm" (RFC 8489 §14.4). */
export type Claim = { readonly username: string } | { readonly userhash: Uint8Array };

export type KeySearch =
  | { readonly ok: true; readonly user: string; readonly key: Uint8Array }
  | { readonly ok: false; readonly refusal: 'unknown-user' | 'expired-credentials' | 'wrong-integrity' };

/**
 * The users of a realm: long-term ones, and time-limited ones of both forms, which share one shape of name. A name may so have several
 * keys; the one that proves the request is the right one.
 */
export class Credentials {
  /** As it goes out in REALM. */
  readonly realm: string;
  /** Whether every valid name is known, so that clients may be asked to send USERHASH instead. */
  readonly knowsEveryName: boolean;
  /** Whether credentials of Firezone's form can be valid. */
  readonly servesFirezone: boolean;
  readonly #byName = new Map<string, LongTermUser>();
  readonly #byHash = new Map<string, LongTermUser>();
  readonly #timeLimited: TimeLimitedPasswords;
  /** Only of time-limited names that proved themselves: nobody without a password can fill it. */
  readonly #cache = new KeyCache(CACHED_KEYS);

  constructor(realm: string, config: CredentialConfig) {
    this.realm = prepared(realm, 'realm');
    this.#timeLimited = new TimeLimitedPasswords(config.secrets, config.stampSecrets);
    this.servesFirezone = config.stampSecrets.length > 0;
    this.knowsEveryName = config.users.size > 0 && !this.#timeLimited.enabled;
    if ([...config.secrets, ...config.stampSecrets].includes('')) throw new CredentialConfigError('secret');
    for (const [name, password] of config.users)
      this.#addUser(prepared(name, 'username'), prepared(password, 'password'));
  }

  /**
   * Looks for the key under which `proves` accepts the request. A name that nobody has costs one call of `proves` too, so that the
   * answer comes no sooner than the one to a wrong password.
   */
  findKey(claim: Claim, passwordHash: PasswordHash, now: Millis, proves: (key: Uint8Array) => boolean): KeySearch {
    const user = 'username' in claim ? this.#byName.get(claim.username) : this.#byHash.get(latin1(claim.userhash));
    if (user !== undefined && proves(user[passwordHash])) return { ok: true, user: user.name, key: user[passwordHash] };
    const timeLimited =
      'username' in claim ? this.#findTimeLimited(claim.username, passwordHash, now, proves) : UNKNOWN;
    if (timeLimited.ok) return timeLimited;
    if (user !== undefined) return WRONG;
    if (timeLimited.refusal !== 'wrong-integrity') proves(NOBODYS_KEY);
    return timeLimited;
  }

  /** Behind a time-limited name may be anybody. */
  mayBeValid(user: string): boolean {
    return this.#timeLimited.enabled || this.#byName.has(user);
  }

  #findTimeLimited(
    username: string,
    passwordHash: PasswordHash,
    now: Millis,
    proves: (key: Uint8Array) => boolean,
  ): KeySearch {
    if (!this.#timeLimited.enabled) return UNKNOWN;
    const cacheName = passwordHash + username;
    const cached = this.#cache.get(cacheName);
    if (cached !== undefined && now <= cached.expiresAt && proves(cached.key)) {
      return { ok: true, user: cached.user, key: cached.key };
    }
    const name = parseTimeLimitedName(username);
    if (name === undefined) return UNKNOWN;
    if (hasExpired(name, now)) return EXPIRED;
    const key = this.#tryPasswords(name, passwordHash, proves);
    if (key === undefined) return WRONG;
    const user = userOf(name);
    this.#cache.set(cacheName, { key, expiresAt: name.expiresAt, user });
    return { ok: true, user, key };
  }

  #tryPasswords(
    name: TimeLimitedName,
    passwordHash: PasswordHash,
    proves: (key: Uint8Array) => boolean,
  ): Uint8Array | undefined {
    for (const password of this.#timeLimited.of(name)) {
      const key = deriveKey(passwordHash, name.username, this.realm, password);
      if (proves(key)) return key;
    }
    return undefined;
  }

  #addUser(name: string, password: string): void {
    const user: LongTermUser = {
      name,
      md5: deriveKey('md5', name, this.realm, password),
      sha256: deriveKey('sha256', name, this.realm, password),
    };
    this.#byName.set(name, user);
    this.#byHash.set(latin1(userhash(name, this.realm)), user);
  }
}

/** RFC 8489 §9.2.2 and §18.5.1. Realm and password are prepared already. */
export function deriveKey(passwordHash: PasswordHash, username: string, realm: string, password: string): Uint8Array {
  return hash(passwordHash, `${username}:${realm}:${password}`, 'buffer');
}

/** RFC 8489 §14.4. */
export function userhash(username: string, realm: string): Uint8Array {
  return hash('sha256', `${username}:${realm}`, 'buffer');
}

/** A realm, name, password or secret that cannot be used: empty, or with control characters. Says which kind, never the value. */
export class CredentialConfigError extends Error {
  override readonly name = 'CredentialConfigError';
  readonly code = 'CREDENTIAL_CONFIG';

  constructor(what: string) {
    super(`a ${what} is empty or has control characters in it`);
  }
}

/** Both keys are made at the start: a lookup then takes as long for a user who was here before as for one who was not. */
interface LongTermUser {
  readonly name: string;
  readonly md5: Uint8Array;
  readonly sha256: Uint8Array;
}

const CACHED_KEYS = 4096;
const NOBODYS_KEY = new Uint8Array(16);
const UNKNOWN: KeySearch = { ok: false, refusal: 'unknown-user' };
const EXPIRED: KeySearch = { ok: false, refusal: 'expired-credentials' };
const WRONG: KeySearch = { ok: false, refusal: 'wrong-integrity' };

function prepared(text: string, what: string): string {
  const result = opaqueString(text);
  if (result === undefined) throw new CredentialConfigError(what);
  return result;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
