import type { Socket } from 'node:net';
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
import { DropCounts } from './drop-counts.ts';
import { openFailed } from './error-names.ts';
import { Road } from './road.ts';
import { Slab } from './slab.ts';
import { StreamListener, type StreamListenSpec } from './stream-listener.ts';
import { Streams } from './streams.ts';
import { mergeTraffic } from './traffic.ts';
import { type PacketHandler, UdpSocket } from './udp-socket.ts';

export interface PortableOptions {
  readonly sink: EngineSink;
  /** For the ids of streams. */
  readonly ids: IdSource;
  /** Unix time; default Date.now. */
  readonly clock?: () => Millis;
  /** How often idle flows are looked for, hence how late they may go. Default 1 s. */
  readonly sweepEvery?: Millis;
  /** Bytes waiting on a stream from which droppable packets are dropped. Default 1 MiB. */
  readonly streamBufferLimit?: number;
  /** Bytes waiting on a stream that end it. Default 4 MiB. */
  readonly streamHardLimit?: number;
  /** How long a TLS handshake may take. Default 10 s. */
  readonly handshakeTimeout?: Millis;
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
  readonly #listeners = new Map<SocketId, StreamListener>();
  /** Ids of listeners that are still being opened. */
  readonly #opening = new Set<SocketId>();
  /** Answers to openPort that the sink has not had yet. */
  readonly #answers = new Map<SocketId, OpenResult>();
  readonly #streams: Streams;
  readonly #handshakeTimeout: Millis | undefined;
  /** One for all sockets. */
  readonly #onPacket: PacketHandler;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: PortableOptions) {
    const { sink, sweepEvery = SECOND } = options;
    this.#sink = sink;
    this.#clock = options.clock ?? Date.now;
    this.#flows = new FlowTable(sweepEvery);
    this.#streams = new Streams({
      sink,
      ids: options.ids,
      drops: this.#drops,
      softLimit: options.streamBufferLimit ?? MIB,
      hardLimit: options.streamHardLimit ?? 4 * MIB,
    });
    this.#handshakeTimeout = options.handshakeTimeout;
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
    if (spec.transport === 'udp') return this.#bindUdp(socket, spec.local, listenerBuffers(spec.buffers));
    this.#opening.add(socket);
    try {
      return await this.#listenForStreams(socket, spec);
    } catch (error) {
      return openFailed(error);
    } finally {
      this.#opening.delete(socket);
    }
  }

  updateTls(socket: SocketId, tls: TlsMaterial): void {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) throw new EngineMisuse(`socket ${socket} is no stream listener`);
    listener.updateTls(tls);
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
    const listener = this.#listeners.get(socket);
    const opening = this.#opening.delete(socket);
    if (udp !== undefined) {
      this.#udp.delete(socket);
      udp.close();
    } else if (listener !== undefined) {
      this.#listeners.delete(socket);
      void listener.close();
      this.#streams.endAllOf(socket);
    } else if (!unanswered && !opening) {
      throw new EngineMisuse(`socket ${socket} is not open`);
    }
  }

  stopListening(socket: SocketId): void {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) throw new EngineMisuse(`socket ${socket} is no stream listener`);
    this.#listeners.delete(socket);
    void listener.close();
  }

  send(from: SocketId, to: Endpoint, packet: Uint8Array): void {
    const socket = this.#udp.get(from);
    if (socket === undefined) throw new EngineMisuse(`socket ${from} is not open`);
    socket.send(this.#slab.copy(packet), to.port, to.address, 'engine');
  }

  write(stream: StreamId, packet: Uint8Array, droppable: boolean): void {
    this.#streams.write(stream, packet, droppable);
  }

  closeStream(stream: StreamId): void {
    this.#streams.close(stream);
  }

  connect(stream: StreamId, spec: ConnectSpec): void {
    this.#streams.connect(stream, spec);
  }

  read(stream: StreamId): void {
    this.#streams.read(stream);
  }

  join(a: StreamId, b: StreamId, spec: JoinSpec): void {
    this.#streams.join(a, b, spec);
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
    return this.#streams.bytesOf(stream);
  }

  stats(): EngineStats {
    const traffic = mergeTraffic(this.#flows.traffic(), this.#streams.traffic());
    return { flows: this.#flows.sizes(), traffic, drops: this.#drops.read() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#answers.clear();
    this.#opening.clear();
    this.#streams.abandon();
    const ended = [...this.#listeners.values()].map((listener) => listener.close());
    for (const socket of [...this.#udp.keys(), ...this.#listeners.keys()]) this.closePort(socket);
    await Promise.all(ended);
  }

  #bindUdp(id: SocketId, local: Endpoint, buffers: SocketBuffers): OpenResult {
    const socket = new UdpSocket(id, local.family, this.#flows.socket(id), this.#drops, this.#onPacket);
    const result = socket.bind(local, buffers);
    if (result.ok) this.#udp.set(id, socket);
    else this.#flows.removeSocket(id);
    return result;
  }

  async #listenForStreams(id: SocketId, spec: StreamListenSpec): Promise<OpenResult> {
    const onStream = (socket: Socket): void => {
      // Accepted in the turn in which the listener was closed.
      if (this.#listeners.get(id) !== listener) socket.destroy();
      else this.#streams.accept(socket, id, spec);
    };
    const listener = await StreamListener.create(spec, this.#drops, onStream, this.#handshakeTimeout);
    this.#listeners.set(id, listener);
    const result = await listener.bind(spec);
    if (result.ok && this.#opening.has(id)) return result;
    this.#listeners.delete(id);
    if (result.ok) {
      await listener.close();
      return { ok: false, failure: 'failed', detail: 'closed while it was being opened' };
    }
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
    if (
      this.#udp.has(socket) ||
      this.#listeners.has(socket) ||
      this.#opening.has(socket) ||
      this.#answers.has(socket)
    ) {
      throw new EngineMisuse(`socket ${socket} is open already`);
    }
  }
}

const MIB = 1024 * 1024;
/** All clients of a service share a listener: a burst of theirs has to fit. */
const LISTENER_BUFFER = 4 * MIB;
/** One allocation's port. */
const PORT_BUFFERS: SocketBuffers = { receive: 512 * 1024, send: 512 * 1024 };

function listenerBuffers({ receive, send }: SocketBuffers = { receive: 0, send: 0 }): SocketBuffers {
  return { receive: receive || LISTENER_BUFFER, send: send || LISTENER_BUFFER };
}
