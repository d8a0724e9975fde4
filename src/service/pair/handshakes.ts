import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { firstWord } from '../../wire/first-word.ts';
import { FLAG_CHALLENGE, FLAG_NONCE, isBlankNonce, nonceOf } from '../../wire/pair/extension.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type Guid,
  guidAt,
  HANDSHAKE_BYTES,
  keyOfHandshake,
} from '../../wire/pair/handshake.ts';
import { decodeLegacy, GUID_OFFSETS } from '../../wire/pair/legacy.ts';
import { isReflector } from '../reflector.ts';
import type { PairForm } from './channel.ts';
import type { Core } from './core.ts';
import { isGoodNonce, makeNonce } from './nonce.ts';
import type { NoHandshake } from './reasons.ts';
import { takeSeat } from './seating.ts';
import type { Place } from './table.ts';

/** A handshake whose MAC is right, if its form has one. */
export interface Handshake {
  readonly at: SocketId;
  readonly from: Endpoint;
  readonly form: PairForm;
  readonly guid: Guid;
  readonly word: number;
  /** Its sender gets what we send to `from`. */
  readonly proven: boolean;
  readonly packet: Uint8Array;
}

/** Whether a client that sits at a pair begins another one with this datagram. What is too short for a handshake is its data. */
export function isForeignHandshake({ channel, seat }: Place, packet: Uint8Array): boolean {
  if (firstWord(packet) !== seat.word) return false;
  const { offset, bytes } = channel.form === 'v0.8.2' ? CURRENT : legacyLayout(GUID_OFFSETS[channel.form]);
  return packet.length >= bytes && guidAt(packet, offset) !== channel.guid;
}

/**
 * Anything from an address that sits at no complete pair, and what may begin another one. What it returns says why it is no handshake. Of who is
 * `seated` every MAC is looked at: unseen, a good handshake would be data, and tell the partner what to come to another pair with.
 */
export function handleHandshake(
  core: Core,
  at: SocketId,
  from: Endpoint,
  packet: Uint8Array,
  now: Millis,
  seated: boolean,
): NoHandshake | undefined {
  if (isReflector(from)) return 'reflector-source';
  const decoded = decodeHandshake(packet);
  // Data that comes too early or too late costs nothing to tell, and must not use up what its sender's handshake needs.
  if (!decoded.ok && (core.config.legacy.size === 0 || decoded.fault === 'zero-guid')) return decoded.fault;
  if (!seated && !core.mayTry(from, packet.length, now)) return 'over-budget';
  const key = decoded.ok ? keyOfHandshake(packet, core.config.keys) : undefined;
  if (decoded.ok && key !== undefined) {
    if (!seated) core.giveBack(from, packet.length, now);
    const { guid, flags } = decoded.handshake;
    const proven = proveAddress(core, at, from, packet, guid, flags, key, now);
    if (proven === undefined) return;
    return takeSeat(core, { at, from, form: 'v0.8.2', guid, word: firstWord(packet), proven, packet }, now);
  }
  const legacy = decodeLegacy(packet, core.config.legacy, core.config.keys);
  if (legacy === undefined) return decoded.ok ? 'wrong-mac' : decoded.fault;
  return takeSeat(core, { at, from, ...legacy, word: firstWord(packet), proven: false, packet }, now);
}

/** Whether the handshake shows that its sender is where it says it is; undefined when it must not count (yet). */
function proveAddress(
  core: Core,
  at: SocketId,
  from: Endpoint,
  packet: Uint8Array,
  guid: Guid,
  flags: number,
  key: Uint8Array,
  now: Millis,
): boolean | undefined {
  const { antiReplay, nonceKey, nonceLifetime } = core.config;
  if (antiReplay === 'off') return false;
  // Our own answer, sent back to us by who may not even know the key.
  if ((flags & FLAG_CHALLENGE) !== 0) return core.drop('bounced-challenge');
  const nonce = nonceOf(packet, flags);
  if (nonce === undefined) return antiReplay === 'require' ? core.drop('no-nonce') : false;
  if (isGoodNonce(nonce, nonceKey, from, guid, nonceLifetime, now)) return true;
  if (!isBlankNonce(nonce)) core.drop('stale-nonce');
  // Not larger than what asked for it, so that a forged source address gains nothing.
  const fresh = makeNonce(nonceKey, from, guid, now);
  const answer = encodeHandshake({ guid, flags: FLAG_NONCE | FLAG_CHALLENGE }, key, fresh);
  core.orders.add({ type: 'send', from: at, to: from, packet: answer });
  return undefined;
}

const CURRENT = { offset: 8, bytes: HANDSHAKE_BYTES };

function legacyLayout(offset: number): { readonly offset: number; readonly bytes: number } {
  return { offset, bytes: offset + 16 };
}
