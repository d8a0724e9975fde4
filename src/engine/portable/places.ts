import { parseAddress } from '../../net/address.ts';

/**
 * Who has how many of a number of places. One source, an IPv4 address or an IPv6 /64, gets at most a quarter of them: a single host
 * that connects and waits must not keep out everybody else.
 */
export class Places {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(places: number) {
    this.#most = Math.max(MIN_SHARE, Math.ceil(places / 4));
  }

  /** The name to leave() by; undefined when this source has its share. */
  take(address: string): string | undefined {
    const source = sourceOf(address);
    const taken = this.#taken.get(source) ?? 0;
    if (taken >= this.#most) return undefined;
    this.#taken.set(source, taken + 1);
    return source;
  }

  leave(source: string): void {
    const left = (this.#taken.get(source) ?? 0) - 1;
    if (left > 0) this.#taken.set(source, left);
    else this.#taken.delete(source);
  }
}

/** IPv4 as it is written, IPv6 as the hexadecimal digits of its /64. */
function sourceOf(address: string): string {
  const bytes = parseAddress(address);
  return bytes?.length === 16 ? Buffer.from(bytes.subarray(0, 8)).toString('hex') : address;
}

/** Also where there are few places: an office behind one address is many clients. */
const MIN_SHARE = 32;
