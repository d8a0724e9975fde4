import assert from 'node:assert/strict';
import type { FlowCounters } from '../../../src/flow/flow.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { parseEndpoint } from '../../../src/net/endpoint.ts';
import { type FlowId, IdSource, type SocketId, type StreamId } from '../../../src/net/ids.ts';
import { parsePrefix } from '../../../src/net/prefix.ts';
import type { Resolution } from '../../../src/net/resolution.ts';
import type { StandingDecision } from '../../../src/net/standing.ts';
import type { ConnectFailure } from '../../../src/net/stream-target.ts';
import type { Millis } from '../../../src/net/time.ts';
import { BlockList } from '../../../src/service/block-list.ts';
import type { ForwardRule, UpstreamRule } from '../../../src/service/forward/config.ts';
import { ForwardService } from '../../../src/service/forward/forward-service.ts';
import type { Order } from '../../../src/service/service.ts';
import { seededRandom } from '../seeded.ts';

export type OrderOf<T extends Order['type']> = Extract<Order, { type: T }>;

/** The service on virtual time; every call returns what was ordered. */
export class Harness {
  readonly ids = new IdSource();
  readonly blocks = new BlockList(seededRandom('blocks'), STRIKES);
  /** What flows and streams have carried, as the test says. */
  readonly carried = new Map<FlowId, FlowCounters>();
  readonly streamBytes = new Map<StreamId, number>();
  /** Addresses of ours, by those of clients. */
  readonly asked = new Map<string, string>();
  readonly service = new ForwardService(this.ids, seededRandom('forward'), {
    blocks: this.blocks,
    flows: { read: (flow) => this.carried.get(flow) },
    streamBytes: (stream) => this.streamBytes.get(stream),
    askedAddress: (_listener, { address }) => this.asked.get(address),
  });
  /** Of the listener, as of the last order; no other test looks at those orders. */
  standing: StandingDecision | undefined;
  readonly first: Order[];
  readonly listener: SocketId = this.ids.socket();
  now: Millis = 1_700_000_000_000;

  constructor(...rules: ForwardRule[]) {
    this.first = this.update(...rules);
    const [rule] = rules;
    if (rule !== undefined) this.service.addListener(this.listener, rule.name, LOCAL, 0);
  }

  update(...rules: ForwardRule[]): Order[] {
    this.service.updateConfig({ rules }, this.now);
    return this.drain();
  }

  open(from: string, at: SocketId = this.listener): { stream: StreamId; orders: Order[] } {
    const stream = this.ids.stream();
    this.service.handleStreamOpened(stream, at, endpoint(from), this.now, { ...LOCAL, address: '192.0.2.80' });
    return { stream, orders: this.drain() };
  }

  connected(stream: StreamId): Order[] {
    this.service.handleStreamConnected(stream, { ok: true }, this.now);
    return this.drain();
  }

  failed(stream: StreamId, failure: ConnectFailure = 'refused'): Order[] {
    this.service.handleStreamConnected(stream, { ok: false, failure, detail: failure }, this.now);
    return this.drain();
  }

  /** The chunk is the engine's: another client's bytes are read into it next. */
  data(stream: StreamId, chunk: Uint8Array): Order[] {
    const lent = Buffer.from(chunk);
    this.service.handleStreamData(stream, lent, this.now);
    const orders = this.drain();
    lent.fill('?');
    return orders;
  }

  closed(stream: StreamId, bytes = 0): Order[] {
    this.service.handleStreamClosed(stream, this.now, { bytes, clean: true });
    return this.drain();
  }

  datagram(from: string, text: string | Uint8Array, at: SocketId = this.listener): Order[] {
    this.service.handleDatagram(at, endpoint(from), Buffer.from(text), this.now);
    return this.drain();
  }

  /** The session of a new client, its port open. */
  session(from: string, text = 'hello') {
    const opening = one(this.datagram(from, text), 'openPort');
    const orders = this.portOpened(opening.socket);
    return { socket: opening.socket, orders, flow: one(orders, 'addFlow').flow };
  }

  portOpened(socket: SocketId, ok = true, port = 40_000): Order[] {
    const local: Endpoint = { family: 4, address: '0.0.0.0', port };
    this.service.handlePortOpened(
      socket,
      ok ? { ok, local } : { ok, failure: 'no-descriptors', detail: 'EMFILE' },
      this.now,
    );
    return this.drain();
  }

  resolved(name: string, addresses: readonly string[] | undefined, ttl = 60_000): Order[] {
    const answer: Resolution =
      addresses === undefined ? { ok: false, detail: 'ENOTFOUND' } : { ok: true, addresses, ttl };
    this.service.handleResolved(name, answer, this.now);
    return this.drain();
  }

  wait(millis: Millis): Order[] {
    this.now += millis;
    this.service.handleTimeout(this.now);
    return this.drain();
  }

  block(text: string): Order[] {
    const prefix = parsePrefix(text);
    assert.ok(prefix);
    this.blocks.add(prefix);
    this.service.applyBlocks(this.now);
    return this.drain();
  }

  drops(): Record<string, number> {
    return Object.fromEntries(this.service.stats().drops.entries());
  }

  drain(): Order[] {
    const orders: Order[] = [];
    for (let order = this.service.pollOutput(); order !== undefined; order = this.service.pollOutput()) {
      if (order.type === 'stand') {
        this.standing = order.decision;
        continue;
      }
      // Buffers are good until here only.
      orders.push('packet' in order ? { ...order, packet: new Uint8Array(order.packet) } : order);
    }
    return orders;
  }
}

export const LOCAL: Endpoint = { family: 4, address: '0.0.0.0', port: 8000 };

export function rule(to: readonly string[], parts: Partial<ForwardRule> = {}): ForwardRule {
  return {
    name: 'web',
    transport: 'stream',
    upstreams: to.map(upstream),
    serverNames: undefined,
    balance: 'roundRobin',
    connectTimeout: 3000,
    keepAlive: undefined,
    idle: 0,
    health: undefined,
    proxyIn: [],
    proxyOut: 'off',
    transparent: false,
    allow: [],
    deny: [],
    drain: 60_000,
    ...parts,
    limits: { total: 1000, perSource: 0, ratePerSource: 0, ...parts.limits },
  };
}

/** "192.0.2.1:80", "name.example:80" or "/a/path". */
export function upstream(text: string): UpstreamRule {
  if (text.startsWith('/')) return { kind: 'unix', path: text };
  const literal = parseEndpoint(text);
  const port = Number(text.slice(text.lastIndexOf(':') + 1));
  const ports = { min: port, max: port };
  if (literal !== undefined) return { kind: 'address', family: literal.family, address: literal.address, ports };
  return { kind: 'name', name: text.slice(0, text.lastIndexOf(':')), ports };
}

export function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  assert.ok(parsed, text);
  return parsed;
}

/** The one order of a type. */
export function one<T extends Order['type']>(orders: readonly Order[], type: T): OrderOf<T> {
  const found = all(orders, type);
  assert.equal(found.length, 1, `one ${type} in ${orders.map((order) => order.type).join(', ')}`);
  return found[0] as OrderOf<T>;
}

export function all<T extends Order['type']>(orders: readonly Order[], type: T): OrderOf<T>[] {
  return orders.filter((order): order is OrderOf<T> => order.type === type);
}

export function types(orders: readonly Order[]): string[] {
  return orders.map(({ type }) => type).filter((type) => type !== 'event');
}

/** Where a connect order goes. */
export function goal({ to }: OrderOf<'connect'>): string {
  return 'path' in to ? to.path : `${to.address}:${to.port}`;
}

const STRIKES = { limit: 3, window: 10_000, duration: 60_000, maxBlocks: 10 };

/** What an upstream gets before anything that is moved. */
export function firstWords({ join }: OrderOf<'connect'>): Buffer {
  assert.ok(join);
  return Buffer.from(join.first);
}
