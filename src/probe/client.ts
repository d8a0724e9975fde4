import { randomBytes } from 'node:crypto';
import type { Endpoint } from '../net/endpoint.ts';
import { type DecodedMessage, decodeMessage, encodeMessage, verifyIntegrity } from '../wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_BINDING,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_DATA,
  METHOD_REFRESH,
  METHOD_SEND,
  type StunAttributes,
} from '../wire/stun/message.ts';
import { CHANNEL_MIN, decodeChannelData, encodeChannelData } from '../wire/turn/channel-data.ts';
import { type Integrity, LongTermAuth } from './auth.ts';
import { ProbeError } from './failure.ts';
import type { PasswordCredentials } from './target.ts';
import { type Check, Transactions, type Verdict } from './transactions.ts';
import { type ConnectOptions, connect, type Transport, type TransportEvents } from './transport.ts';

export interface Allocation {
  readonly relayed: Endpoint;
  readonly mapped: Endpoint | undefined;
  /** Seconds. */
  readonly lifetime: number;
}

export interface AllocateOptions {
  /** REQUESTED-ADDRESS-FAMILY; left out when undefined, which means IPv4 (RFC 8656 §7.1). */
  readonly family?: 4 | 6 | undefined;
  /** Seconds. */
  readonly lifetime?: number | undefined;
}

export type DataHandler = (peer: Endpoint, data: Uint8Array, by: 'channel' | 'indication' | 'pair') => void;

const TRANSPORT_UDP = 17;
const FAMILY_BYTE = { 4: 0x01, 6: 0x02 } as const;

/** A TURN client of one 5-tuple (RFC 8656). Methods reject with ProbeError. */
export class TurnClient {
  readonly #transport: Transport;
  readonly #transactions: Transactions;
  readonly #auth: LongTermAuth;
  readonly #channels = new Map<number, Endpoint>();
  #nextChannel = CHANNEL_MIN;
  #allocated = false;
  #failure: ProbeError | undefined;
  onData: DataHandler = () => {};

  static async connect(options: ConnectOptions, credentials?: PasswordCredentials | undefined): Promise<TurnClient> {
    const inbox: TransportEvents = { packet: () => {}, failed: () => {} };
    const transport = await connect(options, {
      packet: (packet) => inbox.packet(packet),
      failed: (error) => inbox.failed(error),
    });
    const client = new TurnClient(transport, new LongTermAuth(credentials), options.timeout);
    inbox.packet = (packet) => client.#receive(packet);
    inbox.failed = (error) => client.#fail(error);
    return client;
  }

  private constructor(transport: Transport, auth: LongTermAuth, timeout: number) {
    this.#transport = transport;
    this.#transactions = new Transactions(transport, timeout);
    this.#auth = auth;
  }

  get local(): Endpoint {
    return this.#transport.local;
  }

  get auth(): LongTermAuth {
    return this.#auth;
  }

  /** Our address as the server sees it. */
  async binding(): Promise<Endpoint> {
    const { attributes } = expectSuccess(await this.#transact(METHOD_BINDING, {}));
    const mapped = attributes.xorMappedAddress ?? attributes.mappedAddress;
    if (mapped === undefined) throw new ProbeError('bad-response', 'the Binding response has no XOR-MAPPED-ADDRESS');
    return mapped;
  }

  /** Sends a bare Allocate, which a server should answer with a challenge (RFC 8489 §9.2.3.1). An allocation: it asked for no credentials. */
  async challenge(options: AllocateOptions): Promise<Allocation | undefined> {
    const response = await this.#transact(METHOD_ALLOCATE, allocateAttributes(options));
    if (response.attributes.errorCode?.code !== 401) return this.#granted(expectSuccess(response));
    this.#auth.challenged(response);
    return undefined;
  }

  async allocate(options: AllocateOptions): Promise<Allocation> {
    return this.#granted(await this.#authenticated(METHOD_ALLOCATE, allocateAttributes(options)));
  }

  /** Returns the lifetime granted, in seconds; 0 releases the allocation. */
  async refresh(lifetime: number): Promise<number> {
    const { attributes } = await this.#authenticated(METHOD_REFRESH, { lifetime });
    if (lifetime === 0) this.#allocated = false;
    return attributes.lifetime ?? lifetime;
  }

  async createPermission(...peers: readonly Endpoint[]): Promise<void> {
    await this.#authenticated(METHOD_CREATE_PERMISSION, { xorPeerAddresses: peers });
  }

  /** Returns the channel's number. */
  async channelBind(peer: Endpoint, channelNumber: number = this.#nextChannel++): Promise<number> {
    await this.#authenticated(METHOD_CHANNEL_BIND, { channelNumber, xorPeerAddresses: [peer] });
    this.#channels.set(channelNumber, peer);
    return channelNumber;
  }

  sendIndication(peer: Endpoint, data: Uint8Array): void {
    const transactionId = randomBytes(12);
    const attributes = { xorPeerAddresses: [peer], data };
    this.#transport.send(encodeMessage({ class: 'indication', method: METHOD_SEND, transactionId, attributes }));
  }

  sendChannelData(channel: number, data: Uint8Array): void {
    this.#transport.send(encodeChannelData(channel, data, this.#transport.reliable));
  }

  /** Closes, and tells the server that an allocation which is still there is not wanted, without waiting for its answer. */
  abandon(): void {
    if (this.#allocated && this.#failure === undefined) this.refresh(0).catch(() => {});
    this.close();
  }

  close(): void {
    this.#transactions.failAll(new ProbeError('closed', 'we closed the connection'));
    this.#transport.close();
  }

  /** RFC 8489 §9.2.5: one new try for a 401 without earlier credentials and for each stale nonce, with a bound on our patience. */
  async #authenticated(method: number, attributes: StunAttributes): Promise<DecodedMessage> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const response = await this.#transact(method, attributes);
      const code = response.attributes.errorCode?.code;
      if (code !== 401 && code !== 438) return expectSuccess(response);
      this.#auth.challenged(response);
    }
    throw new ProbeError('bad-response', 'the server finds every nonce stale that it hands out itself');
  }

  async #transact(method: number, own: StunAttributes): Promise<DecodedMessage> {
    if (this.#failure !== undefined) throw this.#failure;
    const integrity = method === METHOD_BINDING ? undefined : this.#auth.integrity;
    const attributes = method === METHOD_BINDING ? own : { ...own, ...this.#auth.attributes };
    const transactionId = randomBytes(12);
    const packet = encodeMessage(
      { class: 'request', method, transactionId, attributes },
      { fingerprint: true, ...(integrity && { integrity }) },
    );
    return this.#transactions.request(packet, transactionId, checkResponse(method, integrity));
  }

  #granted(response: DecodedMessage): Allocation {
    this.#allocated = true;
    return allocationOf(response);
  }

  #receive(packet: Uint8Array): void {
    const channelData = decodeChannelData(packet);
    if (channelData !== undefined) {
      const peer = this.#channels.get(channelData.channel);
      if (peer !== undefined) this.onData(peer, channelData.data, 'channel');
      return;
    }
    const decoded = decodeMessage(packet);
    if (!decoded.ok) return;
    const { message } = decoded;
    if (message.class === 'indication') {
      const peer = message.attributes.xorPeerAddresses?.[0];
      if (message.method === METHOD_DATA && peer && message.attributes.data) {
        this.onData(peer, message.attributes.data, 'indication');
      }
    } else if (message.class !== 'request') {
      this.#transactions.handle(packet, message);
    }
  }

  #fail(error: ProbeError): void {
    this.#failure = error;
    this.#transactions.failAll(error);
  }
}

function allocateAttributes({ family, lifetime }: AllocateOptions): StunAttributes {
  return {
    requestedTransport: TRANSPORT_UDP,
    ...(family !== undefined && { requestedAddressFamily: FAMILY_BYTE[family] }),
    ...(lifetime !== undefined && { lifetime }),
  };
}

function allocationOf({ attributes }: DecodedMessage): Allocation {
  const { xorRelayedAddress, xorMappedAddress, lifetime } = attributes;
  if (xorRelayedAddress === undefined || lifetime === undefined) {
    throw new ProbeError('bad-response', 'the Allocate response has no XOR-RELAYED-ADDRESS or LIFETIME');
  }
  return { relayed: xorRelayedAddress, mapped: xorMappedAddress, lifetime };
}

function expectSuccess(response: DecodedMessage): DecodedMessage {
  if (response.class === 'success') return response;
  const { errorCode } = response.attributes;
  if (errorCode === undefined) throw new ProbeError('bad-response', 'the error response has no ERROR-CODE');
  throw new ProbeError(
    'error-response',
    `the server answers ${errorCode.code} ${errorCode.reason}`.trimEnd(),
    errorCode,
  );
}

/** RFC 8489 §9.2.5: a protected request is answered by a protected response, but for challenges, which cannot be. */
function checkResponse(method: number, integrity: Integrity | undefined): Check {
  return (packet, message): Verdict => {
    if (message.method !== method) return { discard: 'the response is of another method' };
    const code = message.attributes.errorCode?.code;
    if (integrity === undefined || code === 401 || code === 438) return 'accept';
    const sent = integrity.algorithm === 'sha256' ? message.messageIntegritySha256 : message.messageIntegrity;
    if (sent === undefined) {
      // Servers answer some failures before they look at credentials: believing those loses us nothing but the probe.
      return message.class === 'error' ? 'accept' : { discard: 'the response carries no message integrity' };
    }
    return verifyIntegrity(packet, sent, integrity.algorithm, integrity.key)
      ? 'accept'
      : { discard: 'the message integrity of the response is wrong' };
  };
}
