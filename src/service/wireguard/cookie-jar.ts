import { parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { RandomBytes } from '../../net/random.ts';
import { MINUTE, type Millis } from '../../net/time.ts';
import { keyed } from '../../wire/wireguard/mac.ts';

/**
 * Cookies without state: a keyed hash over the address and port of whoever gets one (whitepaper §5.4.7). The secret changes every two
 * minutes, as long as clients keep a cookie; the one before stays good, so that none goes stale on its way.
 */
export class CookieJar {
  readonly #random: RandomBytes;
  #secret: Uint8Array | undefined = undefined;
  #previous: Uint8Array | undefined = undefined;
  #madeAt: Millis = 0;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  make(to: Endpoint, now: Millis): Uint8Array {
    return bake(this.#current(now), to);
  }

  /** Every cookie that this endpoint may have now. */
  valid(of: Endpoint, now: Millis): Uint8Array[] {
    const current = this.#current(now);
    return [current, this.#previous].filter((secret) => secret !== undefined).map((secret) => bake(secret, of));
  }

  #current(now: Millis): Uint8Array {
    const age = now - this.#madeAt;
    if (this.#secret !== undefined && age < LIFETIME) return this.#secret;
    this.#previous = age < 2 * LIFETIME ? this.#secret : undefined;
    this.#madeAt = now;
    this.#secret = new Uint8Array(this.#random(32));
    return this.#secret;
  }
}

const LIFETIME: Millis = 2 * MINUTE;

function bake(secret: Uint8Array, { address, port }: Endpoint): Uint8Array {
  return keyed(secret, parseAddress(address) ?? new Uint8Array(), Uint8Array.of(port >>> 8, port));
}
