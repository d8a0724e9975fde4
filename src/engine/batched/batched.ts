import type { Flow, FlowCounters, ServiceName } from '../../flow/flow.ts';
import { FlowMisuse, FlowTable } from '../../flow/flow-table.ts';
import { isWildcard } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, IdSource, SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { StandingDecision } from '../../net/standing.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { SystemError } from '../../sys/errno.ts';
import { feature } from '../../sys/features.ts';
import { decodeSockaddr } from '../../sys/sockaddr.ts';
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
  type TlsMaterial,
} from '../engine.ts';
import { listenerBuffers, PORT_BUFFERS } from '../portable/buffers.ts';
import { DropCounts } from '../portable/drop-counts.ts';
import { type StreamLimits, StreamRoom } from '../portable/stream-room.ts';
import { mergeTraffic } from '../portable/traffic.ts';
import { Dormant } from './dormant.ts';
import { Lanes } from './lanes.ts';
import { CONTROL_GSO, CONTROL_TIME, createSharedMemory } from './layout.ts';
import { localAddressIn, type MissHandler } from './miss-ring.ts';
import { SharedFlows } from './shared-flows.ts';
import { Homes, Sources } from './sources.ts';
import { StreamRooms } from './stream-rooms.ts';
import { SpliceRoom } from './streams/splice-room.ts';
import { type Reader, UdpPorts } from './udp-ports.ts';

export interface BatchedOptions extends StreamLimits {
  readonly sink: EngineSink;
  /** For the ids of streams. */
  readonly ids: IdSource;
  /** 32 random bits, so that nobody outside can choose which flows collide. */
  readonly seed: number;
  /** Worker threads at most; they start when they get their first socket. Default 1. */
  readonly workers?: number;
  /** Listeners of held streams are to come: what they need is begun before, so that they open at once. */
  readonly expectHeld?: boolean;
  /** Datagrams of one flow leave as trains, which the kernel cuts (UDP_SEGMENT). Default: where the kernel can. */
  readonly gso?: boolean;
  /** The kernel hands over as one what came in a row (UDP_GRO). Default: where it can. */
  readonly gro?: boolean;
  /** What leaves by many sockets goes to the kernel by one call (io_uring). Default: where it may. */
  readonly uring?: boolean;
  /** Flows at most, a power of two; those beyond have no effect. Default 1,048,576. */
  readonly mostFlows?: number;
  /** How often idle flows are looked for, hence how late they may go. Default 1 s. */
  readonly sweepEvery?: Millis;
  /** A worker ended by a fault and is started again. Default: a warning of the process. */
  readonly onFault?: (error: Error) => void;
  /** Unix time instead of the system's, for tests: it is asked before each change and by `tick`. */
  readonly clock?: () => Millis;
}

/** Its workers cannot ask a clock of this thread: a test that moves its clock says so. */
export interface BatchedEngine extends Engine {
  tick(): void;
}

/** The engine of Linux without privileges: batched system calls in worker threads, flows in memory that they share. See layout.ts. */
export function createBatchedEngine(options: BatchedOptions): BatchedEngine {
  return new Batched(options);
}

class Batched implements BatchedEngine {
  readonly name = 'batched';
  readonly mode: string;
  readonly capabilities: EngineCapabilities = {
    dontFragment: feature('dont-fragment').supported,
  };

  readonly #sink: EngineSink;
  readonly #clock: () => Millis;
  readonly #time: Float64Array;
  readonly #virtual: boolean;
  readonly #flows: FlowTable;
  readonly #drops = new DropCounts();
  readonly #ports: UdpPorts;
  readonly #homes = new Homes();
  readonly #sources: Sources;
  readonly #lanes: Lanes;
  /** Reads the listeners until there is something to relay. */
  #dormant: Dormant | undefined;
  readonly #rooms: StreamRooms;
  /** Answers to openPort that the sink has not had yet. */
  readonly #answers = new Map<SocketId, OpenResult>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: BatchedOptions) {
    const { sink, sweepEvery = SECOND } = options;
    const gso = (options.gso ?? true) && feature('udp-segment').supported;
    const gro = (options.gro ?? true) && feature('udp-gro').supported;
    const uring = (options.uring ?? true) && feature('io-uring').supported;
    this.mode = ['recvmmsg', gro ? 'gro' : '', gso ? 'gso' : '', uring ? 'uring' : '']
      .filter((part) => part !== '')
      .join('+');
    this.#sink = sink;
    this.#clock = options.clock ?? Date.now;
    this.#virtual = options.clock !== undefined;
    const memory = createSharedMemory(options.mostFlows ?? 2 ** 20, MOST_SOCKETS, options.seed);
    this.#time = new Float64Array(memory.control);
    new Int32Array(memory.control)[CONTROL_GSO] = gso ? 1 : 0;
    this.tick();
    this.#ports = new UdpPorts(memory, this.#drops, gro);
    this.#sources = new Sources((socket) => this.#ports.get(socket)?.wildcard === true, this.#homes);
    const mirror = new SharedFlows({
      memory,
      sources: this.#sources,
      clock: this.#clock,
      placeOf: (socket) => this.#port(socket).place,
      settle: (socket, touched) => this.#port(socket).reader.settle(touched),
      onFull: () => this.#drops.add('engine', 'flow-table-full'),
    });
    this.#flows = new FlowTable(sweepEvery, mirror);
    const onFault = options.onFault ?? ((error) => process.emitWarning(error));
    this.#lanes = new Lanes(options.workers ?? 1, { shared: memory, uring, onMiss: this.#onMiss, onFault });
    this.#dormant = new Dormant({
      onPacket: (place, from, packet) => {
        const port = this.#ports.at(place);
        // Somebody is there: what he asks for may need a worker in a moment, which takes a tenth of a second to start.
        if (port?.wildcard && this.#homes.areSeveral(port.family)) this.#wake();
        else this.#startWorker();
        if (port !== undefined && !this.#closed) sink.datagram(port.id, from, packet);
      },
      onError: () => this.#drops.add('engine', 'receive-failed'),
    });
    const parts = { sink, ids: options.ids, drops: this.#drops, workers: options.workers ?? 1, onFault };
    const held = new SpliceRoom(parts);
    if (options.expectHeld) held.begin();
    this.#rooms = new StreamRooms(new StreamRoom(sink, options.ids, this.#drops, options), held);
    this.#sweeper = setInterval(() => this.#reap(), sweepEvery).unref();
  }

  async listen(socket: SocketId, spec: ListenSpec): Promise<OpenResult> {
    this.#refuseKnown(socket);
    if (spec.transport !== 'udp') return this.#rooms.listen(socket, spec);
    // Node does not tell where a datagram was sent to.
    if (isWildcard(spec.local.address) && this.#homes.areSeveral(spec.local.family)) this.#wake();
    const reader = this.#dormant ?? this.#lanes.forListener();
    return this.#ports.open(socket, spec.local, listenerBuffers(spec.buffers), reader, spec);
  }

  updateTls(socket: SocketId, tls: TlsMaterial): void {
    this.#rooms.updateTls(socket, tls);
  }

  openPort(socket: SocketId, local: Endpoint, towards?: Endpoint): void {
    this.#refuseKnown(socket);
    this.#wake();
    if (this.#answers.size === 0) queueMicrotask(() => this.#answer());
    const reader = this.#dormant ?? this.#lanes.forPort();
    this.#answers.set(socket, this.#ports.open(socket, local, PORT_BUFFERS, reader, { towards }));
  }

  closePort(socket: SocketId): void {
    const unanswered = this.#answers.delete(socket);
    const port = this.#ports.get(socket);
    if (port !== undefined) {
      this.#flows.removeSocket(socket);
      this.#ports.close(port);
    } else if (!this.#rooms.close(socket) && !unanswered) {
      throw new EngineMisuse(`socket ${socket} is not open`);
    }
  }

  stopListening(socket: SocketId): Promise<void> {
    return this.#rooms.stopListening(socket);
  }

  send(from: SocketId, to: Endpoint, packet: Uint8Array, dontFragment = false): void {
    this.#ports.send(this.#port(from), to, packet, { dontFragment, source: this.#sources.of(from, to) });
  }

  write(stream: StreamId, packet: Uint8Array, droppable: boolean): void {
    this.#rooms.write(stream, packet, droppable);
  }

  closeStream(stream: StreamId): void {
    this.#rooms.closeStream(stream);
  }

  connect(stream: StreamId, spec: ConnectSpec): void {
    this.#rooms.connect(stream, spec);
  }

  read(stream: StreamId): void {
    this.#rooms.read(stream);
  }

  join(a: StreamId, b: StreamId, spec: JoinSpec): void {
    this.#rooms.join(a, b, spec);
  }

  stand(listener: SocketId, decision: StandingDecision | undefined, service: ServiceName): void {
    this.#rooms.stand(listener, decision, service);
  }

  allTold(): Promise<void> {
    return this.#rooms.allTold();
  }

  addFlow(flow: Flow): void {
    const egress = this.#ports.get(flow.rewrite.socket);
    if (this.#ports.get(flow.match.socket) === undefined || egress === undefined) {
      throw new EngineMisuse(`flow ${flow.id}: its sockets are not both open`);
    }
    if (egress.family !== flow.rewrite.remote.family) {
      throw new EngineMisuse(`flow ${flow.id}: an IPv${egress.family} socket cannot send to its remote`);
    }
    this.#wake();
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
    return this.#rooms.bytesOf(stream);
  }

  sourceOf(socket: SocketId, remote: Endpoint): string | undefined {
    return this.#sources.of(socket, remote);
  }

  stats(): EngineStats {
    const traffic = mergeTraffic(this.#lanes.traffic(), this.#rooms.traffic());
    return {
      flows: this.#flows.sizes(),
      traffic,
      drops: addDrops(this.#lanes.addDrops(this.#drops.read()), this.#rooms.drops()),
    };
  }

  tick(): void {
    if (this.#virtual) this.#time[CONTROL_TIME] = this.#clock();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#answers.clear();
    // The workers first: they must not read from descriptors that are somebody else's.
    await Promise.all([this.#lanes.close(), this.#rooms.closeAll()]);
    for (const socket of this.#ports.ids) this.closePort(socket);
  }

  /** From now on workers read. What comes until the first of them runs waits in the sockets. */
  #wake(): void {
    if (this.#dormant === undefined) return;
    const lane = this.#startWorker();
    if (lane === undefined) return;
    this.#dormant = undefined;
    this.#ports.moveAll(lane);
  }

  /** Without descriptors for one, everything goes up as before, and the next occasion is the next attempt. */
  #startWorker(): Reader | undefined {
    try {
      return this.#lanes.forListener();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#drops.add('engine', 'no-worker');
      return undefined;
    }
  }

  readonly #onMiss: MissHandler = (place, generation, ends, payload) => {
    const port = this.#ports.at(place, generation);
    if (port === undefined || this.#closed) return;
    const from = decodeSockaddr(ends, 0);
    const local = localAddressIn(ends);
    if (local !== undefined) this.#sources.heard(port.id, from, local);
    this.#sink.datagram(port.id, from, payload);
    this.#sources.answered();
  };

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

  #port(socket: SocketId) {
    const port = this.#ports.get(socket);
    if (port === undefined) throw new EngineMisuse(`socket ${socket} is not open`);
    return port;
  }

  #refuseKnown(socket: SocketId): void {
    if (this.#closed) throw new EngineMisuse('the engine is closed');
    if (this.#ports.get(socket) !== undefined || this.#rooms.has(socket) || this.#answers.has(socket)) {
      throw new EngineMisuse(`socket ${socket} is open already`);
    }
  }
}

/** As many as there are ports, of both families. */
const MOST_SOCKETS = 131_072;

function addDrops(counted: EngineStats['drops'], more: ReadonlyMap<string, number>): EngineStats['drops'] {
  const engine = new Map(counted.get('engine'));
  for (const [reason, count] of more) engine.set(reason, (engine.get(reason) ?? 0) + count);
  return engine.size === 0 ? counted : new Map([...counted, ['engine', engine]]);
}
