import type { Flow } from '../../../src/flow/flow.ts';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import type { FlowId, SocketId, StreamId } from '../../../src/net/ids.ts';
import type { Order } from '../../../src/service/service.ts';
import { CHANNEL_MAX_RFC5766, CHANNEL_MIN } from '../../../src/wire/turn/channel-data.ts';

/**
 * Stands where the engine stands and does nothing but bookkeeping: what is open, which flows there are. Throws BrokenInvariant for an
 * order that an engine could not carry out, or that no service may give.
 */
export class OrderChecker {
  readonly listeners: ReadonlyMap<SocketId, Endpoint>;
  readonly pending = new Map<SocketId, Endpoint>();
  readonly ports = new Map<SocketId, Endpoint>();
  readonly streams = new Set<StreamId>();
  readonly flows = new Map<FlowId, Flow>();
  readonly #matches = new Map<string, FlowId>();
  readonly #flowsAt = new Map<SocketId, number>();
  readonly #locals = new Set<string>();
  readonly #isForbidden: (peer: Endpoint) => boolean;

  /** `isForbidden`: peers to which nothing may ever go. */
  constructor(listeners: ReadonlyMap<SocketId, Endpoint>, isForbidden: (peer: Endpoint) => boolean) {
    this.listeners = listeners;
    this.#isForbidden = isForbidden;
  }

  /** All sockets that hold a port number: those being bound count. */
  get heldPorts(): number {
    return this.pending.size + this.ports.size;
  }

  take(order: Order): void {
    switch (order.type) {
      case 'send':
        this.#send(order.from, order.to, order.packet);
        break;
      case 'write':
        require(this.streams.has(order.stream), 'write to a stream that is not open');
        require(order.packet.length % 4 === 0, 'message on a stream without its padding');
        break;
      case 'closeStream':
        require(this.streams.delete(order.stream), 'closeStream of a stream that is not open');
        break;
      case 'openPort':
        this.#openPort(order.socket, order.local);
        break;
      case 'closePort':
        this.#closePort(order.socket);
        break;
      case 'addFlow':
        this.#addFlow(order.flow);
        break;
      case 'removeFlow':
        this.#removeFlow(order.flow);
        break;
      case 'event':
        require(order.event.name.startsWith('turn-'), 'event without a name of this service');
    }
  }

  /** The engine answers an openPort order. */
  opened(socket: SocketId, ok: boolean): Endpoint {
    const local = this.pending.get(socket);
    if (local === undefined) throw new BrokenInvariant('answer to nothing');
    this.pending.delete(socket);
    if (ok) this.ports.set(socket, local);
    else this.#locals.delete(endpointKey(local));
    return local;
  }

  #send(from: SocketId, to: Endpoint, packet: Uint8Array): void {
    const local = this.#localOf(from);
    if (local === undefined) throw new BrokenInvariant('send from a socket that is not open');
    require(local.family === to.family, 'send across families');
    require(to.port > 0, 'send to port 0');
    require(packet.length <= (to.family === 4 ? 65_507 : 65_527), 'datagram that is too big');
    if (this.ports.has(from)) require(!this.#isForbidden(to), `send to a forbidden peer ${endpointKey(to)}`);
  }

  #openPort(socket: SocketId, local: Endpoint): void {
    require(!this.ports.has(socket) && !this.pending.has(socket), 'openPort of a socket that is there');
    const key = endpointKey(local);
    require(!this.#locals.has(key), `openPort of ${key}, which is not free`);
    this.#locals.add(key);
    this.pending.set(socket, local);
  }

  #closePort(socket: SocketId): void {
    const local = this.ports.get(socket);
    if (local === undefined) throw new BrokenInvariant('closePort of a port that is not open');
    require((this.#flowsAt.get(socket) ?? 0) === 0, 'closePort before its flows were removed');
    this.ports.delete(socket);
    this.#locals.delete(endpointKey(local));
  }

  #addFlow(flow: Flow): void {
    const { id, match, rewrite } = flow;
    require(!this.flows.has(id), 'addFlow with an id in use');
    for (const side of [match, rewrite]) {
      const local = this.#localOf(side.socket);
      require(local !== undefined &&
        endpointKey(local) === endpointKey(side.local), 'flow on a socket that is not open');
      require(side.local.family === side.remote.family, 'flow side across families');
      require(side.remote.port > 0, 'flow with port 0');
      if (this.ports.has(side.socket)) require(!this.#isForbidden(side.remote), 'flow with a forbidden peer');
    }
    const fromChannel = match.discriminator.kind === 'channel';
    const { kind } = rewrite.encapsulation;
    require(fromChannel ===
      (kind === 'strip' || kind === 'replace'), 'encapsulation that does not fit the discriminator');
    for (const side of [match.discriminator, rewrite.encapsulation]) {
      if ('channel' in side) require(side.channel >= CHANNEL_MIN && side.channel <= CHANNEL_MAX_RFC5766, 'no channel');
    }
    const key = matchKey(flow);
    require(!this.#matches.has(key), `two flows match ${key}`);
    this.#matches.set(key, id);
    this.flows.set(id, flow);
    this.#count(flow, 1);
  }

  #removeFlow(id: FlowId): void {
    const flow = this.flows.get(id);
    if (flow === undefined) throw new BrokenInvariant('removeFlow of no flow');
    this.flows.delete(id);
    this.#matches.delete(matchKey(flow));
    this.#count(flow, -1);
  }

  #count({ match, rewrite }: Flow, by: 1 | -1): void {
    for (const { socket } of [match, rewrite]) {
      const count = (this.#flowsAt.get(socket) ?? 0) + by;
      if (count === 0) this.#flowsAt.delete(socket);
      else this.#flowsAt.set(socket, count);
    }
  }

  #localOf(socket: SocketId): Endpoint | undefined {
    return this.ports.get(socket) ?? this.listeners.get(socket);
  }
}

/** Something that must hold whatever anybody sends does not hold. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
  readonly code = 'BROKEN_INVARIANT';
}

export function require(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BrokenInvariant(what);
}

function matchKey({ match: { socket, remote, discriminator } }: Flow): string {
  const channel = discriminator.kind === 'channel' ? discriminator.channel : discriminator.kind;
  return `${socket} ${endpointKey(remote)} ${channel}`;
}
