import { createHash } from 'node:crypto';
import { apply } from '../../../src/flow/apply.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import type { Millis } from '../../../src/net/time.ts';
import { BlockList } from '../../../src/service/block-list.ts';
import type { Order } from '../../../src/service/service.ts';
import type { WireguardConfig } from '../../../src/service/wireguard/config.ts';
import type { DropReason } from '../../../src/service/wireguard/reasons.ts';
import { WireguardService } from '../../../src/service/wireguard/wireguard.ts';
import { keyPairOf } from '../../../src/wire/wireguard/x25519.ts';
import { seededRandom } from '../seeded.ts';
import { endpoint } from '../turn/harness.ts';

export { endpoint };

export const START: Millis = 1_800_000_000_000;
export const LISTENER_4 = endpoint('198.51.100.1:51820');
const LISTENER_6 = endpoint('[2001:db8::1]:51820');
const PLENTY = { perAddress: 0, perPrefix: 0, burstSeconds: 1, maxSources: 1000 };

export function testConfig(changes: Partial<WireguardConfig> = {}): WireguardConfig {
  return {
    peers: [],
    challenge: false,
    ownEndpoints: [LISTENER_4, LISTENER_6],
    maxClients: 1000,
    maxStrangers: 1000,
    fanOut: 8,
    timeout: 300_000,
    quota: { bytesPerSecond: 0 },
    initiations: PLENTY,
    unasked: PLENTY,
    searches: PLENTY,
    hashesPerSecond: 1_000_000,
    ...changes,
  };
}

export function privateKeyOf(name: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`key of ${name}`).digest());
}

export function keyOf(name: string): Uint8Array {
  const known = keys.get(name) ?? keyPairOf(privateKeyOf(name)).publicKey;
  keys.set(name, known);
  return known;
}

const keys = new Map<string, Uint8Array>();

/** Names → the entries of `peers`. */
export function registered(...names: string[]): WireguardConfig['peers'] {
  return names.map((name) => ({ name, publicKey: keyOf(name) }));
}

export interface Sent {
  readonly to: Endpoint;
  readonly packet: Uint8Array;
  /** The engine sent it by a flow, without asking. */
  readonly byFlow: boolean;
}

/**
 * A relay on virtual time: the service, and the reference flow table in the place of an engine. Packets that no flow takes are misses.
 * What goes out is kept in `sent`, and handed to `onSent` where somebody lives at that endpoint.
 */
export class Relay {
  readonly blocks: BlockList;
  readonly sent: Sent[] = [];
  readonly events: Extract<Order, { type: 'event' }>['event'][] = [];
  service: WireguardService;
  flows = new FlowTable();
  now = START;
  listener4: SocketId;
  listener6: SocketId;
  onSent: (sent: Sent) => void = () => {};
  readonly #config: WireguardConfig;
  readonly #seed: string | number;
  #ids = new IdSource();

  constructor(
    config: WireguardConfig = testConfig(),
    seed: string | number = 1,
    blocks = new BlockList(seededRandom('blocks')),
  ) {
    this.#config = config;
    this.#seed = seed;
    this.blocks = blocks;
    ({ service: this.service, listener4: this.listener4, listener6: this.listener6 } = this.#start());
  }

  /** A new process: nothing is left but what a snapshot may bring. */
  restart(): void {
    this.flows = new FlowTable();
    this.#ids = new IdSource();
    ({ service: this.service, listener4: this.listener4, listener6: this.listener6 } = this.#start());
  }

  receive(from: Endpoint, packet: Uint8Array): void {
    const at = from.family === 4 ? this.listener4 : this.listener6;
    // The buffer is the engine's own again after the call.
    const buffer = packet.slice();
    const verdict = apply(this.flows, { socket: at, remote: from }, buffer, this.now);
    if (verdict.kind === 'forward') this.#out({ to: verdict.to, packet: verdict.packet.slice(), byFlow: true });
    else if (verdict.kind === 'miss') this.run(() => this.service.handleDatagram(at, from, buffer, this.now));
    buffer.fill(0);
  }

  run(act: () => void): void {
    act();
    for (let order = this.service.pollOutput(); order !== undefined; order = this.service.pollOutput()) {
      this.#execute(order);
    }
  }

  /** Lets time pass, with every deadline on the way. */
  pass(duration: Millis): void {
    const end = this.now + duration;
    for (let turns = 0; ; turns++) {
      const next = this.service.pollTimeout();
      if (next === undefined || next > end) break;
      if (turns > 1_000_000) throw new Error('the service always wants to be called again');
      this.now = Math.max(this.now, next);
      // A timer fires a millisecond later at the earliest.
      if (next <= this.now) this.now = Math.min(end, this.now + 1);
      this.run(() => this.service.handleTimeout(this.now));
      if (this.now === end) break;
    }
    this.now = end;
    this.run(() => this.service.handleTimeout(this.now));
  }

  drops(reason: DropReason): number {
    return this.service.stats().drops.get(reason);
  }

  /** Packets that went to an endpoint. */
  sentTo(to: Endpoint): Uint8Array[] {
    return this.sent.filter((sent) => endpointKey(sent.to) === endpointKey(to)).map(({ packet }) => packet);
  }

  #start() {
    const service = new WireguardService({
      config: this.#config,
      ids: this.#ids,
      random: seededRandom(this.#seed),
      blocks: this.blocks,
      flows: {
        read: (flow) => this.flows.counters(flow),
        total: () => {
          const [tally] = this.flows.traffic();
          return { packets: tally?.packets ?? 0, bytes: tally?.bytes ?? 0 };
        },
      },
    });
    const listener4 = this.#ids.socket();
    const listener6 = this.#ids.socket();
    service.addListener(listener4, LISTENER_4);
    service.addListener(listener6, LISTENER_6);
    return { service, listener4, listener6 };
  }

  #execute(order: Order): void {
    switch (order.type) {
      case 'send':
        if (order.from !== (order.to.family === 4 ? this.listener4 : this.listener6)) throw new Error('wrong socket');
        this.#out({ to: order.to, packet: order.packet.slice(), byFlow: false });
        return;
      case 'addFlow':
        this.flows.add(order.flow, this.now);
        return;
      case 'removeFlow':
        if (this.flows.remove(order.flow) === undefined) throw new Error(`no flow ${order.flow}`);
        return;
      case 'event':
        this.events.push(order.event);
        return;
      default:
        throw new Error(`unexpected order: ${order.type}`);
    }
  }

  #out(sent: Sent): void {
    this.sent.push(sent);
    this.onSent(sent);
  }
}
