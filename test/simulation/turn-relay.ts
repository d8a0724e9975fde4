import { apply } from '../../src/flow/apply.ts';
import { FlowTable } from '../../src/flow/flow-table.ts';
import { type Endpoint, endpointKey } from '../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../src/net/ids.ts';
import type { Order } from '../../src/service/service.ts';
import type { TurnConfig } from '../../src/service/turn/config.ts';
import { TurnService } from '../../src/service/turn/turn.ts';
import { seededRandom } from '../service/seeded.ts';
import type { Network } from './network.ts';

/** What becomes of the flows that the service orders. Whatever it is, the same packets must come out. */
export type FlowPolicy = 'kept' | 'never-installed' | 'removed-at-random';

export interface Departure {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly packet: Uint8Array;
}

/** Told of every packet that arrived at the relay, and of what left it because of that. */
export type Witness = (at: Endpoint, from: Endpoint, packet: Uint8Array, departures: readonly Departure[]) => void;

/** A TURN service at a simulated network: the reference of the flows in front, an engine that binds at once below. */
export class SimulatedRelay {
  readonly service: TurnService;
  /** How many packets flows carried. */
  forwarded = 0;
  readonly #network: Network;
  readonly #policy: FlowPolicy;
  readonly #witness: Witness;
  readonly #ids = new IdSource();
  readonly #table = new FlowTable();
  readonly #flows = new Set<Parameters<FlowTable['remove']>[0]>();
  readonly #whim = seededRandom('flows');
  readonly #locals = new Map<SocketId, Endpoint>();
  readonly #sockets = new Map<string, SocketId>();
  #departures: Departure[] = [];

  constructor(network: Network, config: TurnConfig, listener: Endpoint, policy: FlowPolicy, witness: Witness) {
    this.#network = network;
    this.#policy = policy;
    this.#witness = witness;
    this.service = new TurnService(config, this.#ids, randomByPurpose());
    const socket = this.#ids.socket();
    this.#open(socket, listener);
    this.service.addListener(socket, listener);
  }

  #open(socket: SocketId, local: Endpoint): void {
    this.#locals.set(socket, local);
    this.#sockets.set(endpointKey(local), socket);
    this.#network.attach(local, (from, packet) => this.#arrive(socket, local, from, packet));
  }

  #arrive(socket: SocketId, local: Endpoint, from: Endpoint, packet: Uint8Array): void {
    // A real engine wakes the service at its deadline; here its packets may come in the same millisecond.
    const due = this.service.pollTimeout();
    if (due !== undefined && due <= this.#network.now) this.#turn(() => this.service.handleTimeout(this.#network.now));
    this.#departures = [];
    if (this.#locals.has(socket)) this.#take(socket, from, packet);
    this.#witness(local, from, packet, this.#departures);
    for (const { from: source, to, packet: departing } of this.#departures) this.#network.send(source, to, departing);
    if (this.#policy === 'removed-at-random') this.#removeSome();
  }

  #take(socket: SocketId, from: Endpoint, packet: Uint8Array): void {
    const { now } = this.#network;
    const verdict = apply(this.#table, { socket, remote: from }, packet, now);
    if (verdict.kind === 'miss') {
      this.#turn(() => this.service.handleDatagram(socket, from, packet, now));
    } else if (verdict.kind === 'forward') {
      this.forwarded++;
      this.#depart(verdict.from, verdict.to, verdict.packet);
    }
  }

  #turn(change: () => void): void {
    change();
    const opened: [SocketId, Endpoint][] = [];
    for (let order = this.service.pollOutput(); order !== undefined; order = this.service.pollOutput()) {
      if (order.type === 'openPort') opened.push([order.socket, order.local]);
      else this.#execute(order);
    }
    for (const [socket, local] of opened) {
      this.#open(socket, local);
      this.#turn(() => this.service.handlePortOpened(socket, { ok: true, local }, this.#network.now));
    }
    const next = this.service.pollTimeout();
    if (next !== undefined) this.#network.at(next, () => this.#wake());
  }

  #wake(): void {
    const due = this.service.pollTimeout();
    if (due !== undefined && due <= this.#network.now) this.#turn(() => this.service.handleTimeout(this.#network.now));
  }

  #execute(order: Order): void {
    switch (order.type) {
      case 'send':
        this.#depart(order.from, order.to, order.packet);
        break;
      case 'addFlow':
        if (this.#policy === 'never-installed') break;
        this.#table.add(order.flow, this.#network.now);
        this.#flows.add(order.flow.id);
        break;
      case 'removeFlow':
        this.#table.remove(order.flow);
        this.#flows.delete(order.flow);
        break;
      case 'closePort':
        this.#close(order.socket);
        break;
    }
  }

  #close(socket: SocketId): void {
    const local = this.#locals.get(socket);
    if (local === undefined) throw new Error('closePort of a port that is not open');
    this.#locals.delete(socket);
    this.#sockets.delete(endpointKey(local));
    this.#network.detach(local);
  }

  /** What goes to an address of this machine does not touch the network: its kernel hands it over at once. */
  #depart(socket: SocketId, to: Endpoint, packet: Uint8Array): void {
    const from = this.#locals.get(socket);
    if (from === undefined) throw new Error('send from a socket that is not open');
    if (to.address !== from.address) {
      this.#departures.push({ from, to, packet: packet.slice() });
      return;
    }
    const target = this.#sockets.get(endpointKey(to));
    if (target !== undefined) this.#take(target, from, packet.slice());
  }

  #removeSome(): void {
    for (const flow of this.#flows) {
      if ((this.#whim(1)[0] ?? 0) > 80) continue;
      this.#table.remove(flow);
      this.#flows.delete(flow);
    }
  }
}

/** Transaction IDs, ports and tokens come from sources of their own, so that a packet more on the slow path moves no port. */
function randomByPurpose(): (length: number) => Uint8Array {
  const sources = new Map<number, (length: number) => Uint8Array>();
  return (length) => {
    let source = sources.get(length);
    if (source === undefined) sources.set(length, (source = seededRandom(`length ${length}`)));
    return source(length);
  };
}
