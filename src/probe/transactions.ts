import type { DecodedMessage } from '../wire/stun/codec.ts';
import { ProbeError } from './failure.ts';
import type { Transport } from './transport.ts';

/** RFC 8489 §6.2.1: first retransmission after RTO, then doubling, Rc requests in all, Rm RTOs of patience after the last. */
const RTO_MILLIS = 500;
const RC = 7;
const RM = 16;

/** What makes an answer acceptable; a refusal's text is what is reported if nothing acceptable comes (RFC 8489 §9.2.5). */
export type Verdict = 'accept' | { readonly discard: string };
export type Check = (packet: Uint8Array, message: DecodedMessage) => Verdict;

/** Requests under way on one transport, by transaction id. */
export class Transactions {
  readonly #transport: Transport;
  readonly #timeout: number;
  readonly #pending = new Map<string, Pending>();

  /** `timeout`: milliseconds a transaction may take, at most. */
  constructor(transport: Transport, timeout: number) {
    this.#transport = transport;
    this.#timeout = timeout;
  }

  request(packet: Uint8Array, id: Uint8Array, check: Check): Promise<DecodedMessage> {
    const key = keyOf(id);
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        resolve,
        reject,
        check,
        discarded: undefined,
        retransmit: undefined,
        giveUp: undefined,
      };
      this.#pending.set(key, pending);
      pending.giveUp = setTimeout(() => this.#expire(key, pending), this.#patience());
      this.#transport.send(packet);
      if (!this.#transport.reliable) this.#retransmitLater(packet, pending, RTO_MILLIS, RC - 1);
    });
  }

  /** Whether the message answered a request of ours. */
  handle(packet: Uint8Array, message: DecodedMessage): boolean {
    const key = keyOf(message.transactionId);
    const pending = this.#pending.get(key);
    if (pending === undefined) return false;
    const verdict = pending.check(packet, message);
    if (verdict === 'accept') {
      this.#finish(key, pending);
      pending.resolve(message);
    } else {
      pending.discarded = verdict.discard;
      if (this.#transport.reliable) this.#expire(key, pending);
    }
    return true;
  }

  failAll(error: ProbeError): void {
    for (const [key, pending] of this.#pending) {
      this.#finish(key, pending);
      pending.reject(error);
    }
  }

  #retransmitLater(packet: Uint8Array, pending: Pending, wait: number, left: number): void {
    if (left === 0) return;
    pending.retransmit = setTimeout(() => {
      this.#transport.send(packet);
      this.#retransmitLater(packet, pending, wait * 2, left - 1);
    }, wait);
  }

  #patience(): number {
    return Math.min(this.#timeout, RTO_MILLIS * (2 ** (RC - 1) - 1 + RM));
  }

  #expire(key: string, pending: Pending): void {
    this.#finish(key, pending);
    pending.reject(
      pending.discarded === undefined
        ? new ProbeError('no-answer', `no answer within ${this.#patience()} ms`)
        : new ProbeError('integrity', pending.discarded),
    );
  }

  #finish(key: string, pending: Pending): void {
    clearTimeout(pending.retransmit);
    clearTimeout(pending.giveUp);
    this.#pending.delete(key);
  }
}

interface Pending {
  readonly resolve: (message: DecodedMessage) => void;
  readonly reject: (error: ProbeError) => void;
  readonly check: Check;
  discarded: string | undefined;
  retransmit: NodeJS.Timeout | undefined;
  giveUp: NodeJS.Timeout | undefined;
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1');
}
