import type { ConnectSpec, Engine, EngineSink, ListenSpec } from '../engine/engine.ts';
import type { ServiceName } from '../flow/flow.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { IdSource, SocketId, StreamId } from '../net/ids.ts';
import type { OpenResult } from '../net/open-result.ts';
import type { Resolution } from '../net/resolution.ts';
import type { Millis } from '../net/time.ts';
import { protocolOf } from '../service/demux.ts';
import type { Order, Service, ServiceEvent } from '../service/service.ts';
import { ServiceTimer } from './service-timer.ts';
import { SteadyClock } from './steady-clock.ts';
import { WaitingRoom } from './waiting-room.ts';

export interface DriverOptions {
  /** Called once, from the constructor, with where the engine is to hand up what it has. */
  readonly createEngine: (sink: EngineSink) => Engine;
  readonly ids: IdSource;
  readonly onEvent: (service: ServiceName, event: ServiceEvent) => void;
  /** The descriptor of a socket that is bound already where a listener is wanted. */
  readonly inherit?: (spec: ListenSpec) => number | undefined;
  /** For services that order `resolve`. */
  readonly resolve?: (name: string) => Promise<Resolution>;
  /** Unix time that never goes back; default a SteadyClock. */
  readonly clock?: () => Millis;
}

/**
 * Joins services to one engine: what the engine hands up goes to the service that owns the socket or stream, and what the service
 * decides is done at once and in order.
 *
 *   engine ── sink ──▶ handle* ──▶ pollOutput … undefined ──▶ pollTimeout ──▶ timer ──▶ handleTimeout …
 *                                       └──▶ engine, onEvent
 */
export class Driver {
  readonly engine: Engine;
  readonly #room: WaitingRoom;
  readonly #ids: IdSource;
  readonly #onEvent: (service: ServiceName, event: ServiceEvent) => void;
  readonly #resolve: (name: string) => Promise<Resolution>;
  readonly #inherit: (spec: ListenSpec) => number | undefined;
  readonly #clock: () => Millis;
  readonly #seats = new Map<Service, Seat>();
  readonly #socketOwners = new Map<SocketId, Seat>();
  /** UDP listeners by where they are bound, for services that name the same one, and who shares it. */
  readonly #udpListeners = new Map<string, { readonly socket: SocketId; readonly result: OpenResult }>();
  readonly #sharers = new Map<SocketId, readonly Seat[]>();
  readonly #streamOwners = new Map<StreamId, Seat>();
  /** Listeners that were closed under their service, which may not know and still order something of them. */
  readonly #retired = new Set<SocketId>();
  #stopped = false;

  constructor(options: DriverOptions) {
    const steady = new SteadyClock();
    this.#ids = options.ids;
    this.#onEvent = options.onEvent;
    this.#inherit = options.inherit ?? (() => undefined);
    this.#resolve = options.resolve ?? noResolver;
    this.#clock = options.clock ?? (() => steady.now());
    this.#room = new WaitingRoom(this.#sink());
    this.engine = options.createEngine(this.#room.sink);
  }

  /**
   * Opens a listener whose misses and streams go to `service`. A UDP listener that another service has already is shared: flows are no
   * matter of whose they are, and a miss goes to the service whose protocol it is.
   */
  async listen(service: Service, spec: ListenSpec): Promise<{ socket: SocketId; result: OpenResult }> {
    const known = spec.transport === 'udp' ? this.#udpListeners.get(endpointKey(spec.local)) : undefined;
    if (known === undefined) return this.#open(service, spec);
    const { socket } = known;
    const first = this.#socketOwners.get(socket);
    const sharers = this.#sharers.get(socket) ?? (first === undefined ? [] : [first]);
    if (sharers.some((seat) => seat.service === service)) return this.#open(service, spec);
    this.#sharers.set(socket, [...sharers, this.#seat(service)]);
    return known;
  }

  async #open(service: Service, spec: ListenSpec): Promise<{ socket: SocketId; result: OpenResult }> {
    const socket = this.#ids.socket();
    // Its packets may come before the promise is looked at.
    this.#socketOwners.set(socket, this.#seat(service));
    const inherited = this.#inherit(spec);
    const result = await this.engine.listen(socket, inherited === undefined ? spec : { ...spec, inherited });
    if (!result.ok) this.#socketOwners.delete(socket);
    else if (spec.transport === 'udp') this.#udpListeners.set(endpointKey(result.local), { socket, result });
    return { socket, result };
  }

  /**
   * Closes a listener, as for a changed configuration. The service hears of each of its streams that it is closed; what it still sends
   * to the listener's UDP clients goes nowhere. A shared one is closed for all.
   */
  unlisten(socket: SocketId): void {
    this.#socketOwners.delete(socket);
    this.#sharers.delete(socket);
    for (const [key, listener] of this.#udpListeners) if (listener.socket === socket) this.#udpListeners.delete(key);
    this.#retired.add(socket);
    this.engine.closePort(socket);
  }

  /** Closes a stream listener; its streams go on. Resolves when its service knows of all of them. */
  async stopListening(socket: SocketId): Promise<void> {
    await this.engine.stopListening(socket);
    this.#socketOwners.delete(socket);
  }

  /** Runs what a service offers beyond the contract (new settings, a drain, a restore), then does what it orders. */
  run(service: Service, act: (now: Millis) => void): void {
    this.#turn(this.#seat(service), (_, now) => act(now));
  }

  /** Until release() services hear nothing from outside. */
  hold(): void {
    this.#room.hold();
  }

  release(): void {
    this.#room.release();
  }

  /** Services hear no more, so that they can be written down; flows go on. */
  freeze(): void {
    this.#stopped = true;
    for (const seat of this.#seats.values()) seat.timer.stop();
  }

  /** Closes every socket and stream; services hear no more. `leaves`: flows go on where the engine's outlive the process. */
  async stop(leaves: boolean = false): Promise<void> {
    this.freeze();
    await (leaves && this.engine.leave !== undefined ? this.engine.leave() : this.engine.close());
  }

  #sink(): EngineSink {
    return {
      datagram: (at, from, packet) => {
        const owner = this.#sharers.size === 0 ? this.#socketOwners.get(at) : this.#ownerOf(at, from, packet);
        this.#turn(owner, (service, now) => service.handleDatagram(at, from, packet, now));
      },
      portOpened: (socket, result) => {
        const owner = this.#socketOwners.get(socket);
        if (!result.ok) this.#socketOwners.delete(socket);
        this.#turn(owner, (service, now) => service.handlePortOpened(socket, result, now));
      },
      flowIdle: (flow, name) => {
        for (const seat of this.#seats.values()) {
          if (seat.service.name === name) this.#turn(seat, (service, now) => service.handleFlowIdle(flow, now));
        }
      },
      streamOpened: (stream, at, from, local, refused) => {
        const owner = this.#socketOwners.get(at);
        if (owner !== undefined) this.#streamOwners.set(stream, owner);
        this.#turn(owner, (service, now) => service.handleStreamOpened(stream, at, from, now, local, refused));
      },
      standingPair: (pair) => {
        const owner = this.#socketOwners.get(pair.at);
        if (owner === undefined) return;
        for (const stream of [pair.client, pair.upstream]) this.#streamOwners.set(stream, owner);
        this.#turn(owner, (service, now) => service.handleStandingPair?.(pair, now));
      },
      standingTotals: (at, totals) => {
        this.#turn(this.#socketOwners.get(at), (service, now) => service.handleStandingTotals?.(at, totals, now));
      },
      streamConnected: (stream, result) => {
        const owner = this.#streamOwners.get(stream);
        if (!result.ok) this.#streamOwners.delete(stream);
        this.#turn(owner, (service, now) => service.handleStreamConnected?.(stream, result, now));
      },
      streamData: (stream, chunk) => {
        this.#turn(this.#streamOwners.get(stream), (service, now) => service.handleStreamData(stream, chunk, now));
      },
      streamClosed: (stream, end) => {
        const owner = this.#streamOwners.get(stream);
        this.#streamOwners.delete(stream);
        this.#turn(owner, (service, now) => service.handleStreamClosed(stream, now, end));
      },
    };
  }

  /** Who knows the sender, else whose protocol it is, else the first: what is nobody's is counted there. */
  #ownerOf(at: SocketId, from: Endpoint, packet: Uint8Array): Seat | undefined {
    const sharers = this.#sharers.get(at);
    if (sharers === undefined) return this.#socketOwners.get(at);
    const protocol = protocolOf(packet);
    return (
      sharers.find(({ service }) => service.owns?.(at, from) === true) ??
      sharers.find(({ service }) => service.name === protocol) ??
      sharers[0]
    );
  }

  /** One change, then everything that follows from it; nothing else happens to the service in between. */
  #turn(seat: Seat | undefined, act: (service: Service, now: Millis) => void): void {
    if (seat === undefined || this.#stopped) return;
    const { service } = seat;
    if (seat.busy) throw new DriverMisuse(`service ${service.name} was called before its orders were done`);
    seat.busy = true;
    try {
      const now = this.#clock();
      act(service, now);
      for (let order = service.pollOutput(); order !== undefined; order = service.pollOutput()) {
        this.#execute(seat, order);
      }
      if (!this.#stopped) seat.timer.set(service.pollTimeout(), now);
    } finally {
      seat.busy = false;
    }
  }

  #execute(seat: Seat, order: Order): void {
    switch (order.type) {
      case 'send':
        if (this.#retired.has(order.from)) return;
        this.engine.send(order.from, order.to, order.packet, order.dontFragment === true);
        return;
      case 'write':
        this.engine.write(order.stream, order.packet, order.droppable);
        return;
      case 'closeStream':
        this.#streamOwners.delete(order.stream);
        this.engine.closeStream(order.stream);
        return;
      case 'connect':
        this.#streamOwners.set(order.stream, seat);
        this.engine.connect(order.stream, connectSpec(order, seat.service.name));
        return;
      case 'read':
        this.engine.read(order.stream);
        return;
      case 'join':
        this.engine.join(order.a, order.b, { service: seat.service.name, idle: order.idle });
        return;
      case 'stand':
        if (!this.#retired.has(order.at)) this.engine.stand?.(order.at, order.decision, seat.service.name);
        return;
      case 'resolve':
        void this.#resolve(order.name).then((resolution) => {
          this.#turn(seat, (service, now) => service.handleResolved?.(order.name, resolution, now));
        });
        return;
      case 'openPort':
        this.#socketOwners.set(order.socket, seat);
        this.engine.openPort(order.socket, order.local, order.towards);
        return;
      case 'closePort':
        this.#socketOwners.delete(order.socket);
        this.engine.closePort(order.socket);
        return;
      case 'addFlow':
        if (this.#retired.has(order.flow.match.socket) || this.#retired.has(order.flow.rewrite.socket)) return;
        this.engine.addFlow(order.flow);
        return;
      case 'removeFlow':
        this.engine.removeFlow(order.flow);
        return;
      case 'event':
        this.#onEvent(seat.service.name, order.event);
        return;
    }
  }

  #seat(service: Service): Seat {
    let seat = this.#seats.get(service);
    if (seat === undefined) {
      const timer = new ServiceTimer(this.#clock, () => this.run(service, (now) => service.handleTimeout(now)));
      seat = { service, timer, busy: false };
      this.#seats.set(service, seat);
    }
    return seat;
  }
}

function connectSpec({ join, ...rest }: Extract<Order, { type: 'connect' }>, service: ServiceName): ConnectSpec {
  return join === undefined ? rest : { ...rest, join: { ...join, service } };
}

async function noResolver(): Promise<Resolution> {
  return { ok: false, detail: 'this relay has no resolver' };
}

/** A service at this driver. `busy` from its change until its orders are done. */
interface Seat {
  readonly service: Service;
  readonly timer: ServiceTimer;
  busy: boolean;
}

export class DriverMisuse extends Error {
  override readonly name = 'DriverMisuse';
  readonly code = 'CULVERT_DRIVER_MISUSE';
}
