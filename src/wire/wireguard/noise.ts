import { hash } from 'node:crypto';
import { hmac } from '../hmac.ts';
import { open, seal } from './aead.ts';
import type { Initiation } from './message.ts';
import { agree, type KeyPair } from './x25519.ts';

/*
 * The responder's half of WireGuard's handshake, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (whitepaper §5.4.2 and §5.4.3), without a preshared
 * key. In three steps, so that the caller can look up who it is, and spend as little as possible on who is nobody:
 *
 *     readStatic     1 agreement      whose initiation it says it is
 *     readTimestamp  none             that it is, given agree(own, static), which is the same every time
 *     respond        3 agreements     one of them to make the ephemeral key
 */

/** How far the handshake has come: the chaining key and the hash of what was said. */
interface Transcript {
  readonly chain: Uint8Array;
  readonly hash: Uint8Array;
}

export interface Claim extends Transcript {
  /** The initiator's static public key, as it says. */
  readonly publicKey: Uint8Array;
}

export interface Authenticated extends Claim {
  /** TAI64N, 12 bytes; later ones are greater, byte by byte. */
  readonly timestamp: Uint8Array;
}

export interface Answer {
  readonly ephemeral: Uint8Array;
  readonly encryptedNothing: Uint8Array;
  /** Keys of the transport data that comes, and of what goes. */
  readonly receive: Uint8Array;
  readonly send: Uint8Array;
}

/** Undefined when it was not made for this key. */
export function readStatic(own: KeyPair, initiation: Initiation): Claim | undefined {
  const shared = agree(own.secret, initiation.ephemeral);
  if (shared === undefined) return undefined;
  const met = mixHash(mixHash(INITIAL_HASH, own.publicKey), initiation.ephemeral);
  const [afterEphemeral] = derive(INITIAL_CHAIN, initiation.ephemeral);
  const [chain, key] = derive(afterEphemeral, shared);
  const publicKey = open(key, 0n, initiation.encryptedStatic, met);
  return publicKey && { publicKey, chain, hash: mixHash(met, initiation.encryptedStatic) };
}

/** `shared`: agree(own, claim.publicKey). Undefined when the initiator does not have the key that it claims. */
export function readTimestamp(
  claim: Claim,
  shared: Uint8Array,
  { encryptedTimestamp }: Initiation,
): Authenticated | undefined {
  const [chain, key] = derive(claim.chain, shared);
  const timestamp = open(key, 0n, encryptedTimestamp, claim.hash);
  return timestamp && { ...claim, timestamp, chain, hash: mixHash(claim.hash, encryptedTimestamp) };
}

/** `ephemeral`: made of 32 fresh random bytes. Undefined for keys of small order. */
export function respond(peer: Authenticated, ephemeral: KeyPair, initiation: Initiation): Answer | undefined {
  const toEphemeral = agree(ephemeral.secret, initiation.ephemeral);
  const toStatic = agree(ephemeral.secret, peer.publicKey);
  if (toEphemeral === undefined || toStatic === undefined) return undefined;
  const [afterOwn] = derive(peer.chain, ephemeral.publicKey);
  const [afterEphemeral] = derive(afterOwn, toEphemeral);
  const [afterStatic] = derive(afterEphemeral, toStatic);
  const [chain, mixed, key] = derive(afterStatic, NO_PRESHARED_KEY);
  const said = mixHash(mixHash(peer.hash, ephemeral.publicKey), mixed);
  const encryptedNothing = seal(key, 0n, NOTHING, said);
  const [receive, send] = derive(chain, NOTHING);
  return { ephemeral: ephemeral.publicKey, encryptedNothing, receive, send };
}

/** KDF of the whitepaper (§5.4): HKDF with HMAC-BLAKE2s. */
function derive(chain: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = hmac('blake2s256', chain, input);
  const first = hmac('blake2s256', secret, ONE);
  const second = hmac('blake2s256', secret, first, TWO);
  const third = hmac('blake2s256', secret, second, THREE);
  return [first, second, third];
}

function mixHash(before: Uint8Array, data: Uint8Array): Uint8Array {
  return hash('blake2s256', Buffer.concat([before, data]), 'buffer');
}

const NOTHING = new Uint8Array();
const NO_PRESHARED_KEY = new Uint8Array(32);
const [ONE, TWO, THREE] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
const INITIAL_CHAIN: Uint8Array = hash('blake2s256', 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s', 'buffer');
const INITIAL_HASH: Uint8Array = mixHash(INITIAL_CHAIN, Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com'));
