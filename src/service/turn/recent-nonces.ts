import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';

/**
 * The nonces that were issued or verified last, of which a MAC need not be computed again: a client that got one comes back at once, with
 * an Allocate and what follows it. A table of fixed size; a later nonce takes the place of an earlier one, so a flood moves nothing but
 * strings, and what is forgotten is verified by its MAC.
 */
export class RecentNonces {
  readonly #slots: (RecentNonce | undefined)[] = new Array(SLOTS).fill(undefined);

  /** When the nonce was issued to this client; undefined when that is not known here. */
  find(nonce: string, { address, port }: Endpoint): Millis | undefined {
    const slot = this.#slots[port % SLOTS];
    const isKnown = slot?.nonce === nonce && slot.port === port && slot.address === address;
    return isKnown ? slot.issuedAt : undefined;
  }

  /** Only of nonces that are ours and this client's. */
  keep(nonce: string, { address, port }: Endpoint, issuedAt: Millis): void {
    this.#slots[port % SLOTS] = { nonce, address, port, issuedAt };
  }
}

interface RecentNonce {
  readonly nonce: string;
  readonly address: string;
  readonly port: number;
  readonly issuedAt: Millis;
}

/** Some 80 KB when all are in use. */
const SLOTS = 512;
