import type { Endpoint } from '../../../../src/net/endpoint.ts';
import { type Millis, SECOND } from '../../../../src/net/time.ts';
import { deriveKey } from '../../../../src/service/turn/credentials.ts';
import { encodeMessage } from '../../../../src/wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_REFRESH,
  METHOD_SEND,
  type StunAttributes,
} from '../../../../src/wire/stun/message.ts';
import { encodeChannelData } from '../../../../src/wire/turn/channel-data.ts';
import { Host, type Network } from '../../../simulation/network.ts';
import type { Intent, Reference } from './reference.ts';
import { describeForClient, hex, readMessage } from './text.ts';

export const REALM = 'model.test';
export const PASSWORDS: ReadonlyMap<string, string> = new Map([
  ['alice', 'wonderland'],
  ['bob', 'builder'],
]);

export type Wish = Omit<Intent, 'nonce' | 'user'> & { readonly user?: string };

/** A TURN client as clients are: learns its nonce by asking, retransmits what is not answered, asks again with a new nonce. */
export class ModelClient {
  readonly host: Host;
  readonly user: string;
  /** Everything that it sent, for those who replay. */
  readonly history: Uint8Array[] = [];
  relayed: readonly Endpoint[] = [];
  readonly received: string[] = [];
  readonly #listener: Endpoint;
  readonly #reference: Reference;
  readonly #waiting = new Map<string, { readonly wish: Wish; readonly tries: number }>();
  readonly #name: number;
  #nonce: string | undefined = undefined;
  #transactions = 0;

  constructor(network: Network, name: number, outside: Endpoint, listener: Endpoint, reference: Reference) {
    this.host = new Host(network, outside, (_, packet) => this.#receive(packet));
    this.user = name % 3 === 2 ? 'bob' : 'alice';
    this.#name = name;
    this.#listener = listener;
    this.#reference = reference;
  }

  request(wish: Wish, tries = 2): void {
    const transaction = this.#nextTransaction();
    const packet = this.#build(wish, transaction);
    this.#waiting.set(hex(transaction), { wish, tries });
    this.send(packet);
    for (const delay of [0.5 * SECOND, 1.5 * SECOND]) this.#retransmit(hex(transaction), packet, delay);
  }

  indicate(peer: Endpoint, data: Uint8Array): void {
    const transactionId = this.#nextTransaction();
    this.#reference.intents.set(hex(transactionId), {
      method: 'send',
      user: this.user,
      nonce: undefined,
      peers: [peer],
      data,
    });
    const attributes = { xorPeerAddresses: [peer], data };
    this.send(encodeMessage({ class: 'indication', method: METHOD_SEND, transactionId, attributes }));
  }

  channelData(channel: number, data: Uint8Array): void {
    this.send(encodeChannelData(channel, data, false));
  }

  send(packet: Uint8Array): void {
    this.history.push(packet.slice());
    this.host.send(this.#listener, packet);
  }

  #build(wish: Wish, transactionId: Uint8Array): Uint8Array {
    const user = wish.user ?? this.user;
    this.#reference.intents.set(hex(transactionId), { ...wish, user, nonce: this.#nonce });
    const message = { class: 'request', method: METHODS[wish.method], transactionId } as const;
    const attributes = attributesOf(wish);
    if (this.#nonce === undefined) return encodeMessage({ ...message, attributes });
    const key = deriveKey('md5', user, REALM, PASSWORDS.get(user) ?? '');
    const credentials = { username: user, realm: REALM, nonce: this.#nonce };
    const integrity = { algorithm: 'sha1', key } as const;
    return encodeMessage({ ...message, attributes: { ...attributes, ...credentials } }, { integrity });
  }

  #retransmit(transaction: string, packet: Uint8Array, delay: Millis): void {
    const { network } = this.host;
    network.at(network.now + delay, () => {
      if (this.#waiting.has(transaction)) this.host.send(this.#listener, packet);
    });
  }

  #receive(packet: Uint8Array): void {
    this.received.push(`${this.host.network.now} ${describeForClient(packet)}`);
    const message = (packet[0] ?? 0xff) < 0x40 ? readMessage(packet) : undefined;
    if (message === undefined || message.class === 'indication') return;
    const waiting = this.#waiting.get(hex(message.transactionId));
    if (waiting === undefined) return;
    this.#waiting.delete(hex(message.transactionId));
    const { errorCode, nonce, xorRelayedAddresses } = message.attributes;
    if (xorRelayedAddresses !== undefined) this.relayed = xorRelayedAddresses;
    if (nonce === undefined || (errorCode?.code !== 401 && errorCode?.code !== 438)) return;
    this.#nonce = nonce;
    if (waiting.tries > 0) this.request(waiting.wish, waiting.tries - 1);
  }

  #nextTransaction(): Uint8Array {
    const transaction = new Uint8Array(12);
    new DataView(transaction.buffer).setUint32(8, ++this.#transactions);
    transaction[0] = this.#name;
    return transaction;
  }
}

function attributesOf({ method, lifetime, families, channel, peers }: Wish): StunAttributes {
  const attributes: StunAttributes = method === 'allocate' ? { requestedTransport: 17 } : {};
  if (lifetime !== undefined) attributes.lifetime = lifetime;
  if (families?.length === 2) attributes.additionalAddressFamily = 2;
  else if (families?.[0] === 6) attributes.requestedAddressFamily = 2;
  if (channel !== undefined) attributes.channelNumber = channel;
  if (peers !== undefined) attributes.xorPeerAddresses = peers;
  return attributes;
}

const METHODS: Readonly<Record<Wish['method'], number>> = {
  allocate: METHOD_ALLOCATE,
  refresh: METHOD_REFRESH,
  permit: METHOD_CREATE_PERMISSION,
  bind: METHOD_CHANNEL_BIND,
  send: METHOD_SEND,
};
