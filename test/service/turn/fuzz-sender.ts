import { parseAddress } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { SocketId, StreamId } from '../../../src/net/ids.ts';
import type { Millis } from '../../../src/net/time.ts';
import { MINUTE } from '../../../src/net/time.ts';
import { deriveKey, userhash } from '../../../src/service/turn/credentials.ts';
import { FEATURE_PASSWORD_ALGORITHMS, NonceMint } from '../../../src/service/turn/nonce.ts';
import type { StunMessage } from '../../../src/wire/stun/message.ts';
import type { Chance } from './fuzz-chance.ts';
import { type Login, NONCE_KEY, REALM } from './fuzz-config.ts';
import { layOut, mutateAttributes, put16, type Signature, type Tlv, tlv } from './fuzz-message.ts';

/** A 5-tuple and what it signs with. Strangers sign with nothing, or with what they made up. */
export interface Sender {
  readonly reach: { readonly at: SocketId } | { readonly stream: StreamId };
  readonly from: Endpoint;
  login: Login;
  readonly trusted: boolean;
  nonce: { readonly text: string; readonly renewAt: Millis } | undefined;
  /** Of the last Allocate, to be sent again. */
  lastAllocate: Uint8Array | undefined;
}

export type Kind = 'binding' | 'allocate' | 'refresh' | 'permission' | 'channel' | 'send' | 'unknown';

/** Messages as a well-made client would send them, damaged before they are signed when `mutations` is above 0. */
export class MessageMaker {
  readonly #chance: Chance;
  readonly #mint = new NonceMint(NONCE_KEY, 10 * MINUTE);
  readonly #keys = new Map<string, Uint8Array>();
  #token: Uint8Array = new Uint8Array(8);

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Remembers what answers gave away that may be used by anybody. */
  learn({ attributes }: StunMessage): void {
    if (attributes.reservationToken !== undefined) this.#token = attributes.reservationToken;
  }

  make(sender: Sender, kind: Kind, peers: () => Endpoint, mutations: number, now: Millis): Uint8Array {
    const chance = this.#chance;
    const transactionId = chance.bytes(12);
    const attributes = this.#attributesOf(kind, peers, transactionId);
    const isSigned =
      kind !== 'binding' && kind !== 'send' && !(chance.oneIn(12) || (!sender.trusted && chance.oneIn(2)));
    const sign = isSigned ? this.#authenticate(sender, attributes, now) : undefined;
    for (let count = mutations; count > 0; count--) mutateAttributes(attributes, chance);
    const type = kind === 'unknown' ? chance.below(0x4000) : TYPES[kind];
    return layOut(type, transactionId, attributes, sign);
  }

  channelData(padded: boolean): Uint8Array {
    const chance = this.#chance;
    const length = chance.oneIn(2000) ? 65_400 + chance.below(128) : chance.below(chance.oneIn(50) ? 1500 : 60);
    const size = 4 + length;
    const packet = chance.bytes(padded ? (size + 3) & ~3 : size);
    put16(packet, 0, pickChannel(chance));
    put16(packet, 2, length);
    return packet;
  }

  #attributesOf(kind: Kind, peers: () => Endpoint, transactionId: Uint8Array): Tlv[] {
    const chance = this.#chance;
    const peer = () => tlv(0x0012, xorAddress(peers(), transactionId));
    switch (kind) {
      case 'binding':
        return chance.oneIn(2) ? [] : [tlv(0x8022, new TextEncoder().encode('fuzz'))];
      case 'allocate':
        return [tlv(0x0019, Uint8Array.of(17, 0, 0, 0)), ...this.#wishes()];
      case 'refresh':
        return [...this.#lifetime(), ...(chance.oneIn(5) ? [this.#family(0x0017)] : [])];
      case 'permission':
        return Array.from({ length: 1 + chance.below(chance.oneIn(4) ? 8 : 2) }, peer);
      case 'channel':
        return [tlv(0x000c, word(pickChannel(chance) * 0x10000)), peer()];
      case 'send':
        return [
          peer(),
          tlv(0x0013, chance.bytes(chance.below(60))),
          ...(chance.oneIn(6) ? [tlv(0x001a, NOTHING)] : []),
        ];
      case 'unknown':
        return chance.oneIn(2) ? [peer()] : this.#lifetime();
    }
  }

  #wishes(): Tlv[] {
    const chance = this.#chance;
    const wishes = this.#lifetime();
    if (chance.oneIn(10)) return [...wishes, tlv(0x0022, this.#token)];
    if (chance.oneIn(4)) wishes.push(this.#family(0x0017));
    if (chance.oneIn(5)) wishes.push(this.#family(chance.oneIn(2) ? 0x8000 : 0x8032));
    if (chance.oneIn(4)) wishes.push(tlv(0x0018, Uint8Array.of(chance.oneIn(2) ? 0x80 : 0)));
    if (chance.oneIn(12)) wishes.push(tlv(0x001a, NOTHING));
    if (chance.oneIn(20)) wishes.push(tlv(0x0022, chance.bytes(8)));
    return wishes;
  }

  #lifetime(): Tlv[] {
    return this.#chance.oneIn(2) ? [tlv(0x000d, word(this.#chance.pick(LIFETIMES)))] : [];
  }

  #family(type: number): Tlv {
    return tlv(type, word(this.#chance.pick(FAMILIES) * 0x1000000));
  }

  #authenticate(sender: Sender, attributes: Tlv[], now: Millis): Signature {
    const chance = this.#chance;
    const { username, password } = sender.login;
    const sha256 = chance.oneIn(3);
    const claim = chance.oneIn(10) ? tlv(0x001e, userhash(username, REALM)) : tlv(0x0006, utf8(username));
    attributes.push(claim, tlv(0x0014, utf8(REALM)), tlv(0x0015, utf8(this.#nonceFor(sender, now))));
    if (sha256) attributes.push(tlv(0x8002, ALGORITHMS), tlv(0x001d, ALGORITHMS.subarray(0, 4)));
    const key = this.#keyOf(sha256 ? 'sha256' : 'md5', username, password);
    return { algorithm: sha256 ? 'sha256' : 'sha1', key: sender.trusted ? key : chance.bytes(16) };
  }

  #nonceFor(sender: Sender, now: Millis): string {
    const chance = this.#chance;
    if (chance.oneIn(60)) return this.#mint.issue(sender.from, 0, now - chance.below(20 * MINUTE));
    if (sender.nonce === undefined || sender.nonce.renewAt <= now) {
      const text = this.#mint.issue(sender.from, FEATURE_PASSWORD_ALGORITHMS, now);
      sender.nonce = { text, renewAt: now + chance.below(9 * MINUTE) };
    }
    return sender.nonce.text;
  }

  #keyOf(hash: 'md5' | 'sha256', username: string, password: string): Uint8Array {
    const name = `${hash}:${username}:${password}`;
    let key = this.#keys.get(name);
    if (key === undefined) {
      // Time-limited names change with the hour: what was is not asked for again.
      if (this.#keys.size > 1000) this.#keys.clear();
      this.#keys.set(name, (key = deriveKey(hash, username, REALM, password)));
    }
    return key;
  }
}

/** Few, so that they meet: inside RFC 8656's range, above it, and outside of both. */
function pickChannel(chance: Chance): number {
  if (chance.oneIn(30)) return chance.below(0x10000);
  return (chance.oneIn(8) ? 0x5000 : 0x4000) + chance.below(6);
}

function xorAddress({ family, address, port }: Endpoint, transactionId: Uint8Array): Uint8Array {
  const bytes = parseAddress(address) ?? new Uint8Array(4);
  const value = new Uint8Array(4 + bytes.length);
  value[1] = family === 4 ? 1 : 2;
  put16(value, 2, port ^ 0x2112);
  const mask = [0x21, 0x12, 0xa4, 0x42, ...transactionId];
  for (const [index, byte] of bytes.entries()) value[4 + index] = byte ^ (mask[index] ?? 0);
  return value;
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const TYPES: Readonly<Record<Exclude<Kind, 'unknown'>, number>> = {
  binding: 0x0001,
  allocate: 0x0003,
  refresh: 0x0004,
  permission: 0x0008,
  channel: 0x0009,
  send: 0x0016,
};
const ALGORITHMS: Uint8Array = Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0);
const LIFETIMES: readonly number[] = [0, 0, 1, 30, 600, 601, 1200, 3600, 86_400, 0x7fffffff, 0x80000000, 0xffffffff];
const FAMILIES: readonly number[] = [1, 1, 2, 2, 2, 0, 3, 255];
const NOTHING: Uint8Array = new Uint8Array(0);
