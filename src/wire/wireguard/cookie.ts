import type { RandomBytes } from '../../net/random.ts';
import { type CookieReply, encodeWireguard } from './message.ts';
import { openXChaCha, sealXChaCha } from './xchacha20poly1305.ts';

const NONCE_BYTES = 24;

/** What a cookie reply answers: the sender index and the mac1 of an initiation, or of a response. */
export interface Offence {
  readonly sender: number;
  readonly mac1: Uint8Array;
}

/** Whitepaper §5.4.7: the cookie, sealed so that only who sent the offending message, and knows to whom, can read it. */
export function encodeCookieReply(to: Offence, key: Uint8Array, cookie: Uint8Array, random: RandomBytes): Uint8Array {
  const nonce = new Uint8Array(random(NONCE_BYTES));
  const encryptedCookie = sealXChaCha(key, nonce, cookie, to.mac1);
  return encodeWireguard({ type: 'cookie', receiver: to.sender, nonce, encryptedCookie });
}

/** The cookie, or undefined when the reply was not sealed with this key for this mac1. */
export function openCookieReply(reply: CookieReply, key: Uint8Array, mac1: Uint8Array): Uint8Array | undefined {
  return openXChaCha(key, reply.nonce, reply.encryptedCookie, mac1);
}
