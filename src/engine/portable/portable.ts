import type { Flow, FlowCounters } from '../../flow/flow.ts';
import { FlowMisuse, FlowTable } from '../../flow/flow-table.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, IdSource, SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import {
  type ConnectSpec,
  type Engine,
  type EngineCapabilities,
  EngineMisuse,
  type EngineSink,
  type EngineStats,
  type FlowReport,
  type JoinSpec,
  type ListenSpec,
  type SocketBuffers,
  type TlsMaterial,
} from '../engine.ts';
import { listenerBuffers, PORT_BUFFERS } from './buffers.ts';
import { DropCounts } from './drop-counts.ts';
import { Road } from './road.ts';
import { Slab } from './slab.ts';
import { type StreamLimits, StreamRoom } from './stream-room.ts';
import { mergeTraffic } from './traffic.ts';
import { type PacketHandler, UdpSocket } from './udp-socket.ts';

export interface PortableOptions extends StreamLimits {
  readonly sink: EngineSink;
  /** For the ids of streams. */
  readonly ids: IdSource;
  /** Unix time; default Date.now. */
  readonly clock?: () => Millis;
  /** How often idle flows are looked for, hence how late they may go. Default 1 s. */
  readonly sweepEvery?: Millis;
}

/** The engine that runs wherever Node does, on node:dgram and node:net. The reference for behaviour. */
export function createPortableEngine(options: PortableOptions): Engine {
  return new PortableEngine(options);
}

class PortableEngine implements Engine {
  readonly name = 'portable';
  readonly mode = 'node:dgram';
  /** node:dgram gives no access to IP_MTU_DISCOVER. */
  readonly capabilities: EngineCapabilities = { dontFragment: false };

  readonly #sink: EngineSink;
  readonly #clock: () => Millis;
  readonly #flows: FlowTable;
  readonly #drops = new DropCounts();
  readonly #slab = new Slab();
  readonly #udp = new Map<SocketId, UdpSocket>();
  /** Answers to openPort that the sink has not had yet. */
  readonly #answers = new Map<SocketId, OpenResult>();
  readonly #room: StreamRoom;
  /** One for all sockets. */
  readonly #onPacket: PacketHandler;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: PortableOptions) {
    const { sink, sweepEvery = SECOND } = options;
    this.#sink = sink;
    this.#clock = options.clock ?? Date.now;
    this.#flows = new FlowTable(sweepEvery);
    this.#room = new StreamRoom(sink, options.ids, this.#drops, options);
    const road = new Road({
      sockets: this.#udp,
      drops: this.#drops,
      slab: this.#slab,
      clock: this.#clock,
      miss: (at, from, packet) => sink.datagram(at, from, packet),
    });
    this.#onPacket = (at, packet, remote) => road.take(at, packet, remote);
    this.#sweeper = setInterval(() => this.#reap(), sweepEvery).unref();
  }

  async listen(socket: SocketId, spec: ListenSpec): Promise<OpenResult> {
    this.#refuseKnown(socket);
    if (spec.transport === 'udp')
      return this.#bindUdp(socket, spec.local, listenerBuffers(spec.buffers), spec.inherited);
    return this.#room.listen(socket, spec);
  }

  updateTls(socket: SocketId, tls: TlsMaterial): void {
    this.#room.updateTls(socket, tls);
  }

  openPort(socket: SocketId, local: Endpoint): void {
    this.#refuseKnown(socket);
    if (this.#answers.size === 0) queueMicrotask(() => this.#answer());
    this.#answers.set(socket, this.#bindUdp(socket, local, PORT_BUFFERS));
  }

  closePort(socket: SocketId): void {
    const unanswered = this.#answers.delete(socket);
    this.#flows.removeSocket(socket);
    const udp = this.#udp.get(socket);
    if (udp !== undefined) {
      this.#udp.delete(socket);
      udp.close();
    } else if (!this.#room.close(socket) && !unanswered) {
      throw new EngineMisuse(`socket ${socket} is not open`);
    }
  }

  stopListening(socket: SocketId): Promise<void> {
    return this.#room.stopListening(socket);
  }

  send(from: SocketId, to: Endpoint, packet: Uint8Array): void {
    const socket = this.#udp.get(from);
    if (socket === undefined) throw new EngineMisuse(`socket ${from} is not open`);
    socket.send(this.#slab.copy(packet), to.port, to.address, 'engine');
  }

  write(stream: StreamId, packet: Uint8Array, droppable: boolean): void {
    this.#room.streams.write(stream, packet, droppable);
  }

  closeStream(stream: StreamId): void {
    this.#room.streams.close(stream);
  }

  connect(stream: StreamId, spec: ConnectSpec): void {
    this.#room.streams.connect(stream, spec);
  }

  read(stream: StreamId): void {
    this.#room.streams.read(stream);
  }

  join(a: StreamId, b: StreamId, spec: JoinSpec): void {
    this.#room.streams.join(a, b, spec);
  }

  addFlow(flow: Flow): void {
    const egress = this.#udp.get(flow.rewrite.socket);
    if (!this.#udp.has(flow.match.socket) || egress === undefined) {
      throw new EngineMisuse(`flow ${flow.id}: its sockets are not both open`);
    }
    if (egress.family !== flow.rewrite.remote.family) {
      throw new EngineMisuse(`flow ${flow.id}: an IPv${egress.family} socket cannot send to its remote`);
    }
    try {
      this.#flows.add(flow, this.#clock());
    } catch (error) {
      throw error instanceof FlowMisuse ? new EngineMisuse(error.message, { cause: error }) : error;
    }
  }

  removeFlow(flow: FlowId): FlowCounters | undefined {
    return this.#flows.remove(flow);
  }

  flowCounters(flow: FlowId): FlowCounters | undefined {
    return this.#flows.counters(flow);
  }

  flows(): Iterable<FlowReport> {
    return this.#flows.all();
  }

  streamBytes(stream: StreamId): number | undefined {
    return this.#room.streams.bytesOf(stream);
  }

  stats(): EngineStats {
    const traffic = mergeTraffic(this.#flows.traffic(), this.#room.streams.traffic());
    return { flows: this.#flows.sizes(), traffic, drops: this.#drops.read() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#answers.clear();
    for (const socket of [...this.#udp.keys()]) this.closePort(socket);
    await this.#room.closeAll();
  }

  #bindUdp(id: SocketId, local: Endpoint, buffers: SocketBuffers, inherited?: number): OpenResult {
    const socket = new UdpSocket(id, local.family, this.#flows.socket(id), this.#drops, this.#onPacket);
    const result = socket.bind(local, buffers, inherited);
    if (result.ok) this.#udp.set(id, socket);
    else this.#flows.removeSocket(id);
    return result;
  }

  /** Openings that ended since the last turn of the microtask queue, so never inside the call that asked. */
  #answer(): void {
    for (const [socket, result] of this.#answers) {
      this.#answers.delete(socket);
      this.#sink.portOpened(socket, result);
    }
  }

  #reap(): void {
    for (const flow of this.#flows.reapIdle(this.#clock())) this.#sink.flowIdle(flow.id, flow.service);
    this.#flows.forgetReaped();
  }

  #refuseKnown(socket: SocketId): void {
    if (this.#closed) throw new EngineMisuse('the engine is closed');
    if (this.#udp.has(socket) || this.#room.has(socket) || this.#answers.has(socket)) {
      throw new EngineMisuse(`socket ${socket} is open already`);
    }
  }
}
