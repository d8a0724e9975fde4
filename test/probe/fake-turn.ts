import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Endpoint, endpointKey } from '../../src/net/endpoint.ts';
import { type DecodedMessage, decodeMessage, encodeMessage, verifyIntegrity } from '../../src/wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_BINDING,
  METHOD_CHANNEL_BIND,
  METHOD_DATA,
  METHOD_REFRESH,
  METHOD_SEND,
  type PasswordAlgorithm,
  type StunAttributes,
} from '../../src/wire/stun/message.ts';
import { decodeChannelData, encodeChannelData } from '../../src/wire/turn/channel-data.ts';

/** How this server misbehaves, or what it insists on. Called for every request or packet. */
export interface FakeBehaviour {
  readonly username?: string;
  readonly password?: string;
  /** Offers SHA-256 and USERHASH, and accepts nothing less. */
  readonly modern?: boolean;
  /** Promises password algorithms in the nonce, and then names none. */
  readonly bidDown?: boolean;
  /** Asks for nothing. */
  readonly open?: boolean;
  /** An error code for an authenticated request. */
  refuse?(method: number): number | undefined;
  /** True: the request never arrived. */
  lose?(method: number): boolean;
  /** Key for the integrity of responses in place of the right one. */
  readonly responseKey?: Uint8Array;
  /** What arrives at the other side; undefined when nothing does. */
  relay?(data: Uint8Array): Uint8Array | undefined;
  /** Announced as relayed addresses. */
  readonly relayedAddress?: string;
}

export interface SeenRequest {
  readonly method: number;
  readonly transactionId: string;
  readonly attributes: StunAttributes;
}

const REALM = 'fake';
const SHA256: PasswordAlgorithm = { algorithm: 2, parameters: new Uint8Array() };
const MD5: PasswordAlgorithm = { algorithm: 1, parameters: new Uint8Array() };

/** A TURN server of one room: allocations are names, and data goes from one client to another inside it. */
export class FakeTurn {
  readonly seen: SeenRequest[] = [];
  readonly #socket: Socket;
  readonly #behaviour: FakeBehaviour;
  readonly #nonce: string;
  readonly #clients = new Map<string, FakeClient>();
  #nextPort = 50_000;

  static async start(behaviour: FakeBehaviour = {}): Promise<FakeTurn> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new FakeTurn(socket, behaviour);
  }

  private constructor(socket: Socket, behaviour: FakeBehaviour) {
    this.#socket = socket;
    this.#behaviour = behaviour;
    const features = behaviour.modern ? 0xc0 : behaviour.bidDown ? 0x80 : 0;
    this.#nonce = `obMatJos2${Buffer.from([features, 0, 0]).toString('base64')}${randomBytes(6).toString('hex')}`;
    socket.on('message', (packet, from) => this.#receive(packet, from));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Allocations that were not released. */
  get allocations(): number {
    return this.#clients.size;
  }

  async stop(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #receive(packet: Uint8Array, from: RemoteInfo): void {
    const client = this.#clients.get(`${from.port}`);
    const channelData = decodeChannelData(packet);
    const peer = channelData && client?.channels.get(channelData.channel);
    if (channelData && client && peer) {
      this.#relay(client, peer, channelData.data);
      return;
    }
    const decoded = decodeMessage(packet);
    if (!decoded.ok) return;
    const { message } = decoded;
    if (message.class === 'request') {
      this.#answer(packet, message, from);
      return;
    }
    const [to] = message.attributes.xorPeerAddresses ?? [];
    if (message.method === METHOD_SEND && client && to)
      this.#relay(client, to, message.attributes.data ?? new Uint8Array());
  }

  #answer(packet: Uint8Array, message: DecodedMessage, from: RemoteInfo): void {
    const { method, attributes } = message;
    this.seen.push({ method, transactionId: Buffer.from(message.transactionId).toString('hex'), attributes });
    if (this.#behaviour.lose?.(method)) return;
    const mapped: Endpoint = { family: 4, address: from.address, port: from.port };
    if (method === METHOD_BINDING) {
      this.#reply(message, from, 'success', { xorMappedAddress: mapped });
      return;
    }
    const key = this.#behaviour.open ? undefined : this.#authenticate(packet, message);
    if (key === undefined && !this.#behaviour.open) {
      this.#challenge(message, from);
      return;
    }
    const code = this.#behaviour.refuse?.(method);
    if (code !== undefined) {
      this.#reply(message, from, 'error', { errorCode: { code, reason: 'Refused' } }, key);
      return;
    }
    this.#reply(message, from, 'success', this.#carryOut(message, mapped), key);
  }

  #carryOut({ method, attributes }: DecodedMessage, mapped: Endpoint): StunAttributes {
    const name = `${mapped.port}`;
    const client = this.#clients.get(name);
    if (method === METHOD_ALLOCATE) {
      const address = this.#behaviour.relayedAddress ?? '127.0.0.1';
      const relayed: Endpoint = { family: 4, address, port: this.#nextPort++ };
      this.#clients.set(name, { port: mapped.port, relayed, channels: new Map() });
      return { xorRelayedAddress: relayed, xorMappedAddress: mapped, lifetime: 600 };
    }
    if (method === METHOD_REFRESH) {
      if (attributes.lifetime === 0) this.#clients.delete(name);
      return { lifetime: attributes.lifetime ?? 600 };
    }
    const [peer] = attributes.xorPeerAddresses ?? [];
    if (method === METHOD_CHANNEL_BIND && peer) client?.channels.set(attributes.channelNumber ?? 0, peer);
    return {};
  }

  #relay(from: FakeClient, to: Endpoint, sent: Uint8Array): void {
    const data = this.#behaviour.relay ? this.#behaviour.relay(sent) : sent;
    const client = [...this.#clients.values()].find(({ relayed }) => endpointKey(relayed) === endpointKey(to));
    if (data === undefined || client === undefined) return;
    const channel = [...client.channels].find(([, peer]) => endpointKey(peer) === endpointKey(from.relayed))?.[0];
    const packet =
      channel === undefined
        ? encodeMessage({
            class: 'indication',
            method: METHOD_DATA,
            transactionId: randomBytes(12),
            attributes: { xorPeerAddresses: [from.relayed], data },
          })
        : encodeChannelData(channel, data, false);
    this.#socket.send(packet, client.port, '127.0.0.1');
  }

  /** The key, when the request proves that it knows it. */
  #authenticate(
    packet: Uint8Array,
    { attributes, messageIntegrity, messageIntegritySha256 }: DecodedMessage,
  ): Uint8Array | undefined {
    const { username = 'alice', password = 'secret', modern } = this.#behaviour;
    if (attributes.nonce !== this.#nonce || attributes.realm !== REALM) return undefined;
    const algorithm = modern ? 'sha256' : 'sha1';
    const key = createHash(modern ? 'sha256' : 'md5')
      .update(`${username}:${REALM}:${password}`)
      .digest();
    const userhash = createHash('sha256').update(`${username}:${REALM}`).digest();
    const rightName = modern
      ? attributes.userhash !== undefined && userhash.equals(attributes.userhash) && attributes.username === undefined
      : attributes.username === username;
    if (modern && (attributes.passwordAlgorithm?.algorithm !== 2 || attributes.passwordAlgorithms?.length !== 2))
      return undefined;
    const sent = modern ? messageIntegritySha256 : messageIntegrity;
    return rightName && sent && verifyIntegrity(packet, sent, algorithm, key) ? key : undefined;
  }

  #challenge(message: DecodedMessage, from: RemoteInfo): void {
    const stale = message.attributes.nonce !== undefined && message.attributes.nonce !== this.#nonce;
    this.#reply(message, from, 'error', {
      errorCode: stale ? { code: 438, reason: 'Stale Nonce' } : { code: 401, reason: 'Unauthenticated' },
      realm: REALM,
      nonce: this.#nonce,
      ...(this.#behaviour.modern && { passwordAlgorithms: [SHA256, MD5] }),
    });
  }

  #reply(
    { method, transactionId }: DecodedMessage,
    to: RemoteInfo,
    kind: 'success' | 'error',
    attributes: StunAttributes,
    key?: Uint8Array,
  ): void {
    const algorithm = this.#behaviour.modern ? 'sha256' : 'sha1';
    const integrity = key && ({ algorithm, key: this.#behaviour.responseKey ?? key } as const);
    const packet = encodeMessage(
      { class: kind, method, transactionId, attributes },
      { ...(integrity && { integrity }) },
    );
    this.#socket.send(packet, to.port, to.address);
  }
}

interface FakeClient {
  readonly port: number;
  readonly relayed: Endpoint;
  readonly channels: Map<number, Endpoint>;
}
