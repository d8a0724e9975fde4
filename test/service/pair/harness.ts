import { apply } from '../../../src/flow/apply.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { type Endpoint, endpointKey, parseEndpoint } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import type { Millis } from '../../../src/net/time.ts';
import { BlockList } from '../../../src/service/block-list.ts';
import type { PairConfig } from '../../../src/service/pair/config.ts';
import { PairService } from '../../../src/service/pair/pair.ts';
import type { Order } from '../../../src/service/service.ts';
import { FLAG_NONCE, NONCE_BYTES } from '../../../src/wire/pair/extension.ts';
import { encodeHandshake } from '../../../src/wire/pair/handshake.ts';
import { seededRandom } from '../seeded.ts';

export const START: Millis = 1_800_000_000_000;
export const KEY: Uint8Array = new Uint8Array(32).fill(9);
export const OTHER_KEY: Uint8Array = new Uint8Array(32).fill(8);
export const GUID = '0123456789abcdef0123456789abcdef';
export const GUID_2 = 'fedcba9876543210fedcba9876543210';
export const A = endpoint('198.18.0.1:1000');
export const B = endpoint('198.18.0.2:2000');
export const C = endpoint('198.18.0.3:3000');
export const A6 = endpoint('[2001:db8:a::1]:1000');
const LISTENER_4 = endpoint('198.51.100.1:6060');
const LISTENER_6 = endpoint('[2001:db8::1]:6060');

export function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (parsed === undefined) throw new Error(`no endpoint: ${text}`);
  return parsed;
}

export function testConfig(changes: Partial<PairConfig> = {}): PairConfig {
  return {
    keys: [KEY],
    legacy: new Set(),
    idle: 30_000,
    sweep: 1,
    rebind: { after: 5_000, unproven: 'same-address' },
    antiReplay: 'off',
    nonceKey: new Uint8Array(32).fill(7),
    nonceLifetime: 60_000,
    quota: { perSource: 0, total: 0, bytesPerSecond: 0 },
    handshakeBudget: { perAddress: 0, perPrefix: 0, burstSeconds: 1, maxSources: 1000 },
    ...changes,
  };
}

export function handshake(guid = GUID, key = KEY, behind?: Uint8Array): Uint8Array {
  return encodeHandshake({ guid, flags: 0 }, key, behind);
}

/** Of our extension; without a nonce it asks for one. */
export function nonceHandshake(nonce: Uint8Array = new Uint8Array(NONCE_BYTES), guid = GUID, key = KEY): Uint8Array {
  return encodeHandshake({ guid, flags: FLAG_NONCE }, key, nonce);
}

export interface Delivery {
  readonly to: string;
  readonly packet: Uint8Array;
  /** By a flow, or by an order of the service. */
  readonly by: 'flow' | 'service';
}

/** The service on virtual time over an engine that is nothing but the reference of flows. */
export class Harness {
  readonly service: PairService;
  readonly blocks = new BlockList(seededRandom('blocks'));
  readonly listener4: SocketId;
  readonly listener6: SocketId;
  readonly flows: FlowTable;
  readonly events: string[] = [];
  now = START;
  #swept = START;

  constructor(config: PairConfig = testConfig(), now: Millis = START) {
    const ids = new IdSource();
    this.now = this.#swept = now;
    this.service = new PairService(config, ids, seededRandom('pair'), {
      blocks: this.blocks,
      flows: { read: (flow) => this.flows.counters(flow) },
      streamBytes: () => undefined,
    });
    this.flows = new FlowTable(SWEEP);
    this.listener4 = ids.socket();
    this.listener6 = ids.socket();
    this.service.addListener(this.listener4, LISTENER_4);
    this.service.addListener(this.listener6, LISTENER_6);
  }

  /** What goes out for a datagram that comes in. */
  send(from: Endpoint, packet: Uint8Array, at = from.family === 4 ? this.listener4 : this.listener6): Delivery[] {
    const verdict = apply(this.flows, { socket: at, remote: from }, packet, this.now);
    if (verdict.kind === 'drop') return [];
    if (verdict.kind === 'forward')
      return [{ to: endpointKey(verdict.to), packet: verdict.packet.slice(), by: 'flow' }];
    return this.run(() => this.service.handleDatagram(at, from, packet, this.now));
  }

  /** One mutation, then drain. */
  run(action: () => void): Delivery[] {
    action();
    const sent: Delivery[] = [];
    for (let order = this.service.pollOutput(); order !== undefined; order = this.service.pollOutput()) {
      if (order.type === 'send') sent.push({ to: endpointKey(order.to), packet: order.packet.slice(), by: 'service' });
      else this.#apply(order);
    }
    return sent;
  }

  /** Time passes; the engine looks for idle flows every second, and every deadline is served at its time. */
  pass(duration: Millis): void {
    const end = this.now + duration;
    for (;;) {
      const deadline = this.service.pollTimeout() ?? Infinity;
      const next = Math.min(deadline, this.#swept + SWEEP);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (next === this.#swept + SWEEP) this.#sweep();
      if (deadline <= this.now) this.run(() => this.service.handleTimeout(this.now));
    }
    this.now = end;
  }

  /** A and B, or who is named, become a pair. */
  pair(first: Endpoint = A, second: Endpoint = B, guid = GUID): Delivery[] {
    return [...this.send(first, handshake(guid)), ...this.send(second, handshake(guid))];
  }

  drops(name: Parameters<ReturnType<PairService['stats']>['drops']['get']>[0]): number {
    return this.service.stats().drops.get(name);
  }

  get counts(): { open: number; halfOpen: number } {
    const { open, halfOpen } = this.service.stats();
    return { open, halfOpen };
  }

  #sweep(): void {
    this.#swept += SWEEP;
    for (const flow of this.flows.reapIdle(this.now)) {
      this.run(() => this.service.handleFlowIdle(flow.id, this.now));
    }
    this.flows.forgetReaped();
  }

  #apply(order: Order): void {
    if (order.type === 'addFlow') this.flows.add(order.flow, this.now);
    else if (order.type === 'removeFlow') this.flows.remove(order.flow);
    else if (order.type === 'event') this.events.push(order.event.name);
    else throw new Error(`the pair relay has no use for ${order.type}`);
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** To whom each went, for short assertions. */
export function receivers(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ to }) => to);
}

const SWEEP: Millis = 1000;
