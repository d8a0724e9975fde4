import { timingSafeEqual } from 'node:crypto';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { hmac } from '../../wire/hmac.ts';
import { RecentNonces } from './recent-nonces.ts';

/** RFC 8489 §18.1; bit 0 is the leftmost of 24. */
export const FEATURE_PASSWORD_ALGORITHMS = 0x800000;
export const FEATURE_USERNAME_ANONYMITY = 0x400000;

export type NonceVerdict =
  | { readonly kind: 'fresh'; readonly issuedAt: Millis }
  /** Ours, for this client, but too old, or from before the clock stepped back. */
  | { readonly kind: 'stale' }
  /** Not ours, not for this client, or tampered with. */
  | { readonly kind: 'bad' };

/**
 * Nonces without memory: whoever sends one back proves by its MAC that it was issued to this client's address and port (RFC 8489 §9.2.4),
 * so a flood of requests leaves nothing behind (RecentNonces is a shortcut of fixed size). 37 characters:
 *
 *     obMatJos2  ffff      tttttttt            mmmmmmmmmmmmmmmm
 *     cookie     features  issued at, ms       HMAC-SHA256, truncated
 *     §9.2       24 bits   48 bits             96 bits                 (all three in base64)
 */
export class NonceMint {
  readonly #key: Uint8Array;
  readonly #lifetime: Millis;
  readonly #recent = new RecentNonces();

  constructor(key: Uint8Array, lifetime: Millis) {
    this.#key = key.slice();
    this.#lifetime = lifetime;
  }

  issue(client: Endpoint, features: number, now: Millis): string {
    const nonce = this.#seal(COOKIE + encodeFacts(features, now), client);
    this.#recent.keep(nonce, client, Math.floor(now));
    return nonce;
  }

  verify(nonce: string, client: Endpoint, now: Millis): NonceVerdict {
    const issuedAt = this.#recent.find(nonce, client) ?? this.#open(nonce, client);
    if (issuedAt === undefined) return BAD;
    const isFresh = issuedAt <= now + CLOCK_STEP && now - issuedAt <= this.#lifetime;
    return isFresh ? { kind: 'fresh', issuedAt } : STALE;
  }

  /** When it was issued, if it is ours and this client's. */
  #open(nonce: string, client: Endpoint): Millis | undefined {
    if (nonce.length !== NONCE_CHARS || !nonce.startsWith(COOKIE)) return undefined;
    // Sealing what was received covers every character, so that no second spelling of a nonce passes.
    if (!sameText(nonce, this.#seal(nonce.slice(0, SEAL_AT), client))) return undefined;
    const issuedAt = Buffer.from(nonce.slice(TIME_AT, SEAL_AT), 'base64').readUIntBE(0, TIME_BYTES);
    this.#recent.keep(nonce, client, issuedAt);
    return issuedAt;
  }

  #seal(open: string, client: Endpoint): string {
    const length = sealed.write(open + endpointKey(client));
    const mac = hmac('sha256', this.#key, sealed.subarray(0, length));
    return open + mac.toString('base64', 0, SEAL_BYTES);
  }
}

/** Feature bits of a nonce; undefined when it does not start with a nonce cookie. Says nothing about whether the nonce is ours. */
export function nonceFeatures(nonce: string): number | undefined {
  if (!nonce.startsWith(COOKIE) || nonce.length < TIME_AT) return undefined;
  const bytes = Buffer.from(nonce.slice(COOKIE.length, TIME_AT), 'base64');
  return bytes.length === FEATURE_BYTES ? bytes.readUIntBE(0, FEATURE_BYTES) : undefined;
}

const COOKIE = 'obMatJos2';
const FEATURE_BYTES = 3;
const TIME_BYTES = 6;
const TIME_AT = 13;
const SEAL_AT = 21;
const SEAL_BYTES = 12;
const NONCE_CHARS = 37;
/** How far the clock may have stepped back since a nonce was issued. */
const CLOCK_STEP: Millis = 5 * SECOND;
const BAD: NonceVerdict = { kind: 'bad' };
const STALE: NonceVerdict = { kind: 'stale' };
/** Shared scratch: synchronous code cannot meet itself in here. Room for what a MAC covers, in characters of up to three bytes each. */
const sealed: Buffer = Buffer.alloc(3 * (SEAL_AT + '[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535'.length));
const facts: Buffer = Buffer.alloc(FEATURE_BYTES + TIME_BYTES);

/** Both fill whole groups of base64, so they can be written in one go. */
function encodeFacts(features: number, at: Millis): string {
  facts.writeUIntBE(features, 0, FEATURE_BYTES);
  facts.writeUIntBE(Math.floor(at), FEATURE_BYTES, TIME_BYTES);
  return facts.toString('base64');
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
