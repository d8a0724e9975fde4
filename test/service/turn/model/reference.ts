import { type Endpoint, endpointKey, sameEndpoint } from '../../../../src/net/endpoint.ts';
import { type Millis, SECOND } from '../../../../src/net/time.ts';
import type { DecodedMessage } from '../../../../src/wire/stun/codec.ts';
import { fingerprint, hex } from './text.ts';

/** What a request or Send indication says, under its transaction ID: the model reads no STUN. */
export interface Intent {
  readonly method: 'allocate' | 'refresh' | 'permit' | 'bind' | 'send';
  readonly user: string;
  /** Undefined: without credentials. */
  readonly nonce: string | undefined;
  readonly lifetime?: number;
  readonly families?: readonly (4 | 6)[];
  readonly channel?: number;
  readonly peers?: readonly Endpoint[];
  readonly data?: Uint8Array;
}

export interface Rules {
  readonly listener: Endpoint;
  readonly isForbidden: (peer: Endpoint) => boolean;
  readonly nonceLifetime: Millis;
  readonly perUser: number;
  readonly maxPermissions: number;
  readonly maxChannels: number;
}

/**
 * Who may send what to whom, as RFC 8656 says it and as slowly as can be: plain lists, searched from end to end, no flows, no timers.
 * For each packet that arrives it names what must leave, as text.
 */
export class Reference {
  readonly intents = new Map<string, Intent>();
  readonly #rules: Rules;
  readonly #nonces = new Map<string, { readonly client: string; readonly issuedAt: Millis }>();
  #held: Held[] = [];

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  get allocations(): number {
    return this.#held.length;
  }

  arrive(at: Endpoint, from: Endpoint, packet: Uint8Array, now: Millis): string[] {
    this.#held = this.#held.filter(({ expiresAt }) => expiresAt > now);
    for (const held of this.#held) {
      held.permissions = held.permissions.filter(({ expiresAt }) => expiresAt > now);
      held.channels = held.channels.filter(({ expiresAt }) => expiresAt > now);
    }
    if (!sameEndpoint(at, this.#rules.listener)) return this.#fromPeer(at, from, packet);
    const held = this.#held.find(({ client }) => sameEndpoint(client, from));
    const first = packet[0] ?? 0xff;
    if (first >= 0x40 && first < 0x80) return held === undefined ? [] : this.#fromChannel(held, packet);
    const transaction = hex(packet.subarray(8, 20));
    const intent = this.intents.get(transaction);
    if (intent === undefined) return [];
    if (intent.method === 'send') return held === undefined ? [] : this.#fromSend(held, intent);
    const code = this.#answer(held, from, intent, transaction, now);
    return [`${endpointKey(at)} > ${endpointKey(from)} ${intent.method} ${code}`];
  }

  /** Of an answer that left: which nonce was given to whom, and which ports an allocation got. */
  learn(to: Endpoint, { attributes, transactionId }: DecodedMessage, now: Millis): void {
    if (attributes.nonce !== undefined) {
      this.#nonces.set(attributes.nonce, { client: endpointKey(to), issuedAt: now });
    }
    const relays = attributes.xorRelayedAddresses;
    const held = this.#held.find(({ transaction }) => transaction === hex(transactionId));
    if (relays === undefined || held === undefined) return;
    held.relays ??= relays;
    const [given, again] = [held.relays, relays].map((list) => list.map(endpointKey).join());
    if (given !== again) throw new Error(`a retransmission was answered with ${again}, the first with ${given}`);
  }

  #answer(held: Held | undefined, from: Endpoint, intent: Intent, transaction: string, now: Millis): number {
    if (intent.nonce === undefined) return 401;
    const nonce = this.#nonces.get(intent.nonce);
    if (nonce === undefined || nonce.client !== endpointKey(from)) return 438;
    if (now - nonce.issuedAt > this.#rules.nonceLifetime) return 438;
    if (intent.method === 'allocate') return this.#allocate(held, from, intent, nonce.issuedAt, transaction, now);
    if (held === undefined) return 437;
    if (held.user !== intent.user) return 441;
    if (nonce.issuedAt < held.nonceIssuedAt) return 438;
    if (intent.method === 'refresh') return this.#refresh(held, intent, now);
    if (intent.method === 'permit') return this.#permit(held, intent.peers ?? [], now);
    return this.#bind(held, intent, now);
  }

  #allocate(
    held: Held | undefined,
    client: Endpoint,
    { user, lifetime, families = [4] }: Intent,
    nonceIssuedAt: Millis,
    transaction: string,
    now: Millis,
  ): number {
    if (held !== undefined) return held.transaction === transaction ? 0 : 437;
    if (this.#held.filter((other) => other.user === user).length >= this.#rules.perUser) return 486;
    const expiresAt = now + granted(lifetime);
    const fresh = { client, user, transaction, nonceIssuedAt, families, expiresAt };
    this.#held.push({ ...fresh, relays: undefined, permissions: [], channels: [] });
    return 0;
  }

  #refresh(held: Held, { lifetime }: Intent, now: Millis): number {
    if (lifetime === 0) this.#held = this.#held.filter((other) => other !== held);
    else held.expiresAt = now + granted(lifetime);
    return 0;
  }

  #permit(held: Held, peers: readonly Endpoint[], now: Millis): number {
    for (const peer of peers) {
      if (!held.families.includes(peer.family)) return 443;
      // RFC 8656 §9.1: the port of a permission does not count, so our own listener's address may be permitted.
      if (this.#rules.isForbidden({ ...peer, port: 0 })) return 403;
    }
    const known = new Set([...held.permissions, ...peers].map(({ address }) => address));
    if (known.size > this.#rules.maxPermissions) return 508;
    for (const { address } of peers) renew(held, address, now);
    return 0;
  }

  #bind(held: Held, { channel = 0, peers = [] }: Intent, now: Millis): number {
    const [peer] = peers;
    if (peer === undefined || channel < 0x4000 || channel > 0x7fff) return 400;
    const bound = held.channels.find(({ number }) => number === channel);
    const other = held.channels.find((one) => sameEndpoint(one.peer, peer));
    if (bound !== other) return 400;
    if (!held.families.includes(peer.family)) return 443;
    if (this.#rules.isForbidden(peer)) return 403;
    if (bound === undefined && held.channels.length >= this.#rules.maxChannels) return 508;
    const isPermitted = held.permissions.some(({ address }) => address === peer.address);
    if (!isPermitted && held.permissions.length >= this.#rules.maxPermissions) return 508;
    renew(held, peer.address, now);
    held.channels = held.channels.filter((one) => one !== bound);
    held.channels.push({ number: channel, peer, expiresAt: now + CHANNEL });
    return 0;
  }

  #fromSend(held: Held, { peers = [], data = new Uint8Array(0) }: Intent): string[] {
    const [peer] = peers;
    return peer === undefined || this.#rules.isForbidden(peer) ? [] : this.#toPeer(held, peer, data);
  }

  #fromChannel(held: Held, packet: Uint8Array): string[] {
    const [number, length] = [0, 2].map((at) => ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0));
    const channel = held.channels.find((one) => one.number === number);
    return channel === undefined ? [] : this.#toPeer(held, channel.peer, packet.subarray(4, 4 + (length ?? 0)));
  }

  #toPeer(held: Held, peer: Endpoint, data: Uint8Array): string[] {
    const relay = held.relays?.find(({ family }) => family === peer.family);
    if (relay === undefined || !permits(held, peer)) return [];
    // To an address of this relay: to whoever holds that port, or to nobody.
    if (peer.address === relay.address) return this.#fromPeer(peer, relay, data);
    return [`${endpointKey(relay)} > ${endpointKey(peer)} ${fingerprint(data)}`];
  }

  #fromPeer(relay: Endpoint, peer: Endpoint, data: Uint8Array): string[] {
    const held = this.#held.find(({ relays }) => relays?.some((one) => sameEndpoint(one, relay)));
    if (held === undefined || !permits(held, peer)) return [];
    const channel = held.channels.find((one) => sameEndpoint(one.peer, peer));
    // Clients are at IPv4: a datagram has room for 65,507 bytes. Data goes into a channel's 4 bytes, or into an indication.
    const words = (data.length + 3) & ~3;
    const size = channel === undefined ? (peer.family === 4 ? 36 : 48) + words : 4 + data.length;
    if (size > 65_507) return [];
    const by = channel === undefined ? `data from ${endpointKey(peer)}` : `channel ${channel.number}`;
    return [`${endpointKey(this.#rules.listener)} > ${endpointKey(held.client)} ${by} ${fingerprint(data)}`];
  }
}

interface Held {
  readonly client: Endpoint;
  readonly user: string;
  readonly transaction: string;
  readonly nonceIssuedAt: Millis;
  readonly families: readonly (4 | 6)[];
  relays: readonly Endpoint[] | undefined;
  expiresAt: Millis;
  permissions: { readonly address: string; readonly expiresAt: Millis }[];
  channels: { readonly number: number; readonly peer: Endpoint; readonly expiresAt: Millis }[];
}

function permits(held: Held, peer: Endpoint): boolean {
  return held.permissions.some(({ address }) => address === peer.address);
}

function renew(held: Held, address: string, now: Millis): void {
  held.permissions = held.permissions.filter((one) => one.address !== address);
  held.permissions.push({ address, expiresAt: now + PERMISSION });
}

/** RFC 8656 §7.2: at least the default of 10 minutes, at most an hour. */
function granted(seconds = 600): Millis {
  return Math.min(Math.max(seconds, 600), 3600) * SECOND;
}

const PERMISSION: Millis = 300 * SECOND;
const CHANNEL: Millis = 600 * SECOND;
