import { createHash } from 'node:crypto';
import type { Flow, FlowCounters } from '../../../src/flow/flow.ts';
import { type Endpoint, parseEndpoint, sameEndpoint } from '../../../src/net/endpoint.ts';
import { type FlowId, IdSource, type SocketId, type StreamId } from '../../../src/net/ids.ts';
import type { OpenResult } from '../../../src/net/open-result.ts';
import { type Prefix, parsePrefix } from '../../../src/net/prefix.ts';
import type { Millis } from '../../../src/net/time.ts';
import { BlockList, type StrikeOptions } from '../../../src/service/block-list.ts';
import type { Order } from '../../../src/service/service.ts';
import type { TurnConfig } from '../../../src/service/turn/config.ts';
import { TurnService } from '../../../src/service/turn/turn.ts';
import { type DecodedMessage, decodeMessage, type EncodeOptions, encodeMessage } from '../../../src/wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_REFRESH,
  METHOD_SEND,
  type StunAttributes,
} from '../../../src/wire/stun/message.ts';
import { encodeChannelData } from '../../../src/wire/turn/channel-data.ts';
import { seededRandom } from '../seeded.ts';

export const START: Millis = 1_800_000_000_000;
export const REALM = 'culvert.test';
export const UDP = 17;
export const LISTENER_4 = endpoint('198.51.100.1:3478');
export const LISTENER_6 = endpoint('[2001:db8::1]:3478');

/** Public addresses that no special range holds. */
export const PEER = endpoint('8.8.4.4:7000');
export const PEER_2 = endpoint('9.9.9.9:7000');
export const PEER_6 = endpoint('[2606:4700::1]:7000');

export function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (parsed === undefined) throw new Error(`no endpoint: ${text}`);
  return parsed;
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`no prefix: ${text}`);
  return parsed;
}

export function testConfig(changes: Partial<TurnConfig> = {}): TurnConfig {
  return {
    realm: REALM,
    software: '',
    strictChannels: false,
    credentials: {
      users: new Map([
        ['alice', 'wonderland'],
        ['bob', 'builder'],
      ]),
      secrets: ['rest-secret'],
      stampSecrets: [],
    },
    nonceKey: new Uint8Array(32).fill(7),
    nonceLifetime: 3_600_000,
    relay: {
      ipv4: { advertised: '198.51.100.1', bind: '198.51.100.1' },
      ipv6: { advertised: '2001:db8::1', bind: '2001:db8::1' },
    },
    ports: { min: 50_000, max: 50_099 },
    peers: { allow: [], deny: [] },
    ownEndpoints: [LISTENER_4, LISTENER_6],
    ownAddresses: [LISTENER_4.address, LISTENER_6.address],
    quota: { perUser: 0, total: 0, bytesPerSecond: 0 },
    lifetime: { default: 600_000, max: 3_600_000 },
    maxPermissions: 8,
    maxChannels: 8,
    unauthenticatedBudget: { perAddress: 0, perPrefix: 0, burstSeconds: 1, maxSources: 1000 },
    canSetDontFragment: false,
    ...changes,
  };
}

export type Answer = (local: Endpoint, socket: SocketId) => OpenResult | undefined;
export const bound: Answer = (local) => ({ ok: true, local });
export const inUse: Answer = () => ({ ok: false, failure: 'in-use', detail: 'EADDRINUSE' });
/** The engine has not answered yet. */
export const silent: Answer = () => undefined;

/** A service on virtual time with an engine that only binds. Keeps what is open and what flows there are, and checks their order. */
export class Harness {
  readonly service: TurnService;
  /** Tell the service by applyBlocks(). */
  readonly blocks: BlockList;
  /** What flows have carried, as the test says. */
  readonly carried = new Map<FlowId, FlowCounters>();
  readonly ids: IdSource;
  readonly listener4: SocketId;
  readonly listener6: SocketId;
  now = START;
  answer: Answer = bound;
  /** All orders since the start. Packets are copies. */
  readonly orders: Order[] = [];
  readonly ports = new Map<SocketId, Endpoint>();
  readonly flows = new Map<number, Flow>();

  constructor(
    config: TurnConfig = testConfig(),
    seed: string | number = 1,
    ids = new IdSource(),
    strikes?: StrikeOptions,
  ) {
    this.ids = ids;
    this.blocks = new BlockList(seededRandom('blocks'), strikes);
    const flows = { read: (flow: FlowId) => this.carried.get(flow) };
    this.service = new TurnService(config, ids, seededRandom(seed), {
      blocks: this.blocks,
      flows,
      streamBytes: () => undefined,
    });
    this.listener4 = ids.socket();
    this.listener6 = ids.socket();
    this.service.addListener(this.listener4, LISTENER_4);
    this.service.addListener(this.listener6, LISTENER_6);
  }

  udpClient(from: string, user = 'alice', password = 'wonderland'): TestClient {
    const at = endpoint(from).family === 4 ? this.listener4 : this.listener6;
    return new TestClient(this, { at, from: endpoint(from) }, user, password);
  }

  streamClient(from: string, user = 'alice', password = 'wonderland'): TestClient {
    const stream = this.ids.stream();
    this.run(() => this.service.handleStreamOpened(stream, this.listener4, endpoint(from), this.now));
    return new TestClient(this, { stream, from: endpoint(from) }, user, password);
  }

  /** One mutation, then drain; openPort orders are answered until nothing more comes. Returns all orders of it. */
  run(action: () => void): Order[] {
    action();
    const orders = this.#drain();
    for (let index = 0; index < orders.length; index++) {
      const order = orders[index];
      if (order?.type !== 'openPort') continue;
      const result = this.answer(order.local, order.socket);
      if (result !== undefined) orders.push(...this.opened(order.socket, result));
    }
    return orders;
  }

  opened(socket: SocketId, result: OpenResult): Order[] {
    const port = this.orders.find((order) => order.type === 'openPort' && order.socket === socket);
    if (result.ok && port?.type === 'openPort') this.ports.set(socket, port.local);
    this.service.handlePortOpened(socket, result, this.now);
    return this.#drain();
  }

  datagram(at: SocketId, from: Endpoint, packet: Uint8Array): Order[] {
    return this.run(() => this.service.handleDatagram(at, from, packet, this.now));
  }

  /** Time passes, and every deadline on the way is served at its time. */
  pass(duration: Millis): Order[] {
    const end = this.now + duration;
    const orders: Order[] = [];
    for (let next = this.service.pollTimeout(); next !== undefined && next <= end; next = this.service.pollTimeout()) {
      this.now = Math.max(this.now, next);
      orders.push(...this.run(() => this.service.handleTimeout(this.now)));
    }
    this.now = end;
    return orders;
  }

  block(text: string): Order[] {
    this.blocks.add(prefix(text));
    return this.run(() => this.service.applyBlocks(this.now));
  }

  /** A datagram of a peer at the relayed port with this number. */
  fromPeer(relayed: Endpoint, peer: Endpoint, data: Uint8Array): Order[] {
    return this.datagram(this.socketOf(relayed), peer, data);
  }

  socketOf(relayed: Endpoint): SocketId {
    for (const [socket, local] of this.ports) {
      if (local.port === relayed.port && local.family === relayed.family) return socket;
    }
    throw new Error(`no open port ${relayed.port}`);
  }

  drops(name: Parameters<ReturnType<TurnService['stats']>['drops']['get']>[0]): number {
    return this.service.stats().drops.get(name);
  }

  #drain(): Order[] {
    const orders: Order[] = [];
    for (let order = this.service.pollOutput(); order !== undefined; order = this.service.pollOutput()) {
      const kept = 'packet' in order ? { ...order, packet: order.packet.slice() } : order;
      this.#apply(kept);
      orders.push(kept);
      this.orders.push(kept);
    }
    return orders;
  }

  /** What an engine would choke on, or worse, would not notice. */
  #apply(order: Order): void {
    if (order.type === 'addFlow') {
      for (const { socket } of [order.flow.match, order.flow.rewrite]) this.#mustBeOpen(socket, 'addFlow');
      this.flows.set(order.flow.id, order.flow);
    }
    if (order.type === 'removeFlow' && !this.flows.delete(order.flow)) throw new Error('removeFlow of no flow');
    if (order.type === 'send') this.#mustBeOpen(order.from, 'send');
    if (order.type !== 'closePort') return;
    this.#mustBeOpen(order.socket, 'closePort');
    for (const { match, rewrite } of this.flows.values()) {
      if (match.socket === order.socket || rewrite.socket === order.socket)
        throw new Error('closePort before removeFlow');
    }
    this.ports.delete(order.socket);
  }

  #mustBeOpen(socket: SocketId, what: string): void {
    const listens = socket === this.listener4 || socket === this.listener6;
    if (!listens && !this.ports.has(socket)) throw new Error(`${what} on a socket that is not open`);
  }
}

export type Reach =
  | { readonly at: SocketId; readonly from: Endpoint }
  | { readonly stream: StreamId; readonly from: Endpoint };

export interface RequestOptions {
  readonly transactionId?: Uint8Array;
  readonly fingerprint?: boolean;
  readonly sha256?: boolean;
  /** Without credentials. */
  readonly bare?: boolean;
  readonly nonce?: string;
}

export class TestClient {
  readonly harness: Harness;
  readonly reach: Reach;
  readonly user: string;
  readonly password: string;
  nonce: string | undefined = undefined;
  #transactions = 0;

  constructor(harness: Harness, reach: Reach, user: string, password: string) {
    this.harness = harness;
    this.reach = reach;
    this.user = user;
    this.password = password;
  }

  get endpoint(): Endpoint {
    return this.reach.from;
  }

  /** The same 5-tuple with other credentials. */
  as(user: string, password: string): TestClient {
    return new TestClient(this.harness, this.reach, user, password);
  }

  allocate(attributes: StunAttributes = {}, options: RequestOptions = {}): DecodedMessage | undefined {
    return this.request(METHOD_ALLOCATE, { requestedTransport: UDP, ...attributes }, options);
  }

  /** The relayed addresses of a new allocation. */
  mustAllocate(attributes: StunAttributes = {}): readonly [Endpoint, ...Endpoint[]] {
    const answer = this.allocate(attributes);
    const [first, ...others] = answer?.attributes.xorRelayedAddresses ?? [];
    if (first === undefined) throw new Error(`no allocation: ${JSON.stringify(answer?.attributes.errorCode)}`);
    return [first, ...others];
  }

  refresh(attributes: StunAttributes = {}, options: RequestOptions = {}): DecodedMessage | undefined {
    return this.request(METHOD_REFRESH, attributes, options);
  }

  permit(peers: readonly Endpoint[], options: RequestOptions = {}): DecodedMessage | undefined {
    return this.request(METHOD_CREATE_PERMISSION, { xorPeerAddresses: peers }, options);
  }

  bind(channelNumber: number, peer: Endpoint, options: RequestOptions = {}): DecodedMessage | undefined {
    return this.request(METHOD_CHANNEL_BIND, { channelNumber, xorPeerAddresses: [peer] }, options);
  }

  send(peer: Endpoint, data: Uint8Array, more: StunAttributes = {}): Order[] {
    const attributes = { xorPeerAddresses: [peer], data, ...more };
    const transactionId = this.#nextTransaction();
    return this.raw(encodeMessage({ class: 'indication', method: METHOD_SEND, transactionId, attributes }));
  }

  channelData(channel: number, data: Uint8Array, padded = 'stream' in this.reach): Order[] {
    return this.raw(encodeChannelData(channel, data, padded));
  }

  /** A request with credentials; asks for a nonce first when there is none. */
  request(method: number, attributes: StunAttributes, options: RequestOptions = {}): DecodedMessage | undefined {
    return this.responseIn(this.raw(this.build(method, attributes, options)));
  }

  build(method: number, attributes: StunAttributes, options: RequestOptions = {}): Uint8Array {
    const transactionId = options.transactionId ?? this.#nextTransaction();
    const fingerprint = options.fingerprint ?? false;
    const message = { class: 'request', method, transactionId } as const;
    if (options.bare) return encodeMessage({ ...message, attributes }, { fingerprint });
    const nonce = options.nonce ?? (this.nonce ??= this.askNonce());
    const credentials: StunAttributes = { username: this.user, realm: REALM, nonce };
    const encodeOptions: EncodeOptions = {
      fingerprint,
      integrity: { algorithm: options.sha256 ? 'sha256' : 'sha1', key: this.key(options.sha256) },
    };
    if (options.sha256) {
      credentials.passwordAlgorithms = ALGORITHMS;
      credentials.passwordAlgorithm = ALGORITHMS[0];
    }
    return encodeMessage({ ...message, attributes: { ...attributes, ...credentials } }, encodeOptions);
  }

  askNonce(): string {
    const packet = this.build(METHOD_ALLOCATE, { requestedTransport: UDP }, { bare: true });
    const nonce = this.responseIn(this.raw(packet))?.attributes.nonce;
    if (nonce === undefined) throw new Error('no nonce in the answer');
    return nonce;
  }

  key(sha256 = false): Uint8Array {
    const text = `${this.user}:${REALM}:${this.password}`;
    return createHash(sha256 ? 'sha256' : 'md5')
      .update(text)
      .digest();
  }

  raw(packet: Uint8Array): Order[] {
    const { harness, reach } = this;
    if ('at' in reach) return harness.datagram(reach.at, reach.from, packet);
    return harness.run(() => harness.service.handleStreamData(reach.stream, packet, harness.now));
  }

  /** What came back to this client, in order. */
  packetsIn(orders: readonly Order[]): Uint8Array[] {
    const { reach } = this;
    return orders.flatMap((order) => {
      if ('at' in reach) {
        const mine = order.type === 'send' && order.from === reach.at && sameEndpoint(order.to, reach.from);
        return mine ? [order.packet] : [];
      }
      return order.type === 'write' && order.stream === reach.stream ? [order.packet] : [];
    });
  }

  responseIn(orders: readonly Order[]): DecodedMessage | undefined {
    const [packet] = this.packetsIn(orders);
    return packet && mustDecode(packet);
  }

  #nextTransaction(): Uint8Array {
    const transactionId = new Uint8Array(12);
    new DataView(transactionId.buffer).setUint32(8, ++this.#transactions);
    transactionId.set(new TextEncoder().encode(this.user).subarray(0, 4), 0);
    return transactionId;
  }
}

export function mustDecode(packet: Uint8Array): DecodedMessage {
  const decoded = decodeMessage(packet);
  if (!decoded.ok) throw new Error(`not a STUN message: ${decoded.fault}`);
  return decoded.message;
}

export function codeOf(message: DecodedMessage | undefined): number | 'success' | undefined {
  if (message === undefined) return undefined;
  return message.class === 'success' ? 'success' : message.attributes.errorCode?.code;
}

export function ofType<T extends Order['type']>(orders: readonly Order[], type: T): Extract<Order, { type: T }>[] {
  return orders.filter((order): order is Extract<Order, { type: T }> => order.type === type);
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const ALGORITHMS = [
  { algorithm: 2, parameters: new Uint8Array(0) },
  { algorithm: 1, parameters: new Uint8Array(0) },
] as const;
