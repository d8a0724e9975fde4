import type { Direction, Flow, FlowCounters, ServiceName } from '../flow/flow.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { FlowId, SocketId, StreamId } from '../net/ids.ts';
import type { OpenResult } from '../net/open-result.ts';
import type { StandingDecision, StandingPair, StandingRefusal, StandingTotals } from '../net/standing.ts';
import type { ConnectResult, KeepAlive, StreamEnd, StreamTarget } from '../net/stream-target.ts';
import type { Millis } from '../net/time.ts';

/**
 * An engine owns sockets, executes flows, and hands up everything else ("miss") to its sink. All engines pass the conformance suite.
 * No method throws for what the network or the kernel does; wrong use (an id used twice, an unknown socket) throws EngineMisuse.
 */
export interface Engine {
  readonly name: EngineName;
  /** How it runs here, for culvert_engine_info: "node:dgram", "native", "generic" ... */
  readonly mode: string;
  readonly capabilities: EngineCapabilities;

  listen(socket: SocketId, spec: ListenSpec): Promise<OpenResult>;
  /**
   * Replaces certificate and key of a TLS listener; connections that are open keep theirs. Throws TlsMaterialError when the two are
   * unusable, and goes on with the ones before.
   */
  updateTls(socket: SocketId, tls: TlsMaterial): void;
  /**
   * Binds a UDP port; the answer comes as sink.portOpened, never from inside this call. `towards`: `local` is somebody else's, in whose name this endpoint
   * is sent to, and nobody else is heard; where his port is taken it is any other. What cannot do that answers `no-address`.
   */
  openPort(socket: SocketId, local: Endpoint, towards?: Endpoint): void;
  /** Closes a listener or a port, and forgets every flow that still uses it. A listener's streams end, each with its streamClosed. */
  closePort(socket: SocketId): void;
  /** Closes a stream listener; the streams that it accepted go on. Resolves when the sink has heard of all of them. */
  stopListening(socket: SocketId): Promise<void>;
  /**
   * `packet` may be reused by the caller as soon as this returns. `dontFragment`: with the DF bit; only where the engine can. A packet that is too big
   * for the way then is dropped on it.
   */
  send(from: SocketId, to: Endpoint, packet: Uint8Array, dontFragment?: boolean): void;
  /** Droppable packets are dropped whole and counted once the stream has `streamBufferLimit` bytes waiting. */
  write(stream: StreamId, packet: Uint8Array, droppable: boolean): void;
  /** What is written still goes out, then the stream ends; a joined one ends at once, with its other end. The sink hears no more of this one. */
  closeStream(stream: StreamId): void;
  /** The answer comes as sink.streamConnected, never from inside this call; not after a closeStream. */
  connect(stream: StreamId, spec: ConnectSpec): void;
  /** One chunk of a held stream, as sink.streamData. A stream that ends instead is closed. */
  read(stream: StreamId): void;
  /** Moves bytes both ways from now on. Both are held streams; when one is gone already, the other ends. `a` is the client's. */
  join(a: StreamId, b: StreamId, spec: JoinSpec): void;
  /**
   * What becomes of clients of a listener of held streams; undefined = the sink is asked by streamOpened. An engine without this asks always. The traffic is
   * of `service`.
   */
  stand?(listener: SocketId, decision: StandingDecision | undefined, service: ServiceName): void;
  /** Resolves when the sink has heard of everybody who came to listeners without a standing decision, before that was taken back too. */
  allTold?(): Promise<void>;

  /** A flow with the same match replaces the older one. */
  addFlow(flow: Flow): void;
  /** Final counters, or undefined when there is no such flow (reaped, replaced). No packet is forwarded by it after the return. */
  removeFlow(flow: FlowId): FlowCounters | undefined;
  /** Of a reaped flow they can still be had while the sink is told of it. */
  flowCounters(flow: FlowId): FlowCounters | undefined;
  /** Every flow and what it carried, for people. Others may come and go while it is walked through. */
  flows(): Iterable<FlowReport>;
  /** Bytes that came from the peer of a joined stream so far; undefined when it is gone. */
  streamBytes(stream: StreamId): number | undefined;

  /**
   * The address of ours that a client of a listener at all addresses talks to, where the engine knows it: what goes back leaves from there. Undefined = as
   * the routes say.
   */
  sourceOf?(socket: SocketId, remote: Endpoint): string | undefined;
  stats(): EngineStats;
  /**
   * Of an engine whose flows outlive the process. To be called once all that was kept is restored: when every port that was asked for is
   * answered for, flows of the process before go that were not asked for again. Resolves with how many.
   */
  settle?(): Promise<number>;
  /** Closes every socket and stream; the sink hears no more. */
  close(): Promise<void>;
  /** Of an engine whose flows outlive the process: the same, but they go on, for the process that takes them over. */
  leave?(): Promise<void>;
}

export type EngineName = 'portable' | 'batched' | 'xdp';

export interface EngineCapabilities {
  /** Can set and clear DF on each datagram (RFC 8656 §15). */
  readonly dontFragment: boolean;
}

/** Where an engine hands up what no flow took. Buffers are valid during the call only. */
export interface EngineSink {
  datagram(at: SocketId, from: Endpoint, packet: Uint8Array): void;
  portOpened(socket: SocketId, result: OpenResult): void;
  /** The service is told so that nobody need remember whose every flow is. */
  flowIdle(flow: FlowId, service: ServiceName): void;
  /** `refused`: what a standing decision came to. */
  streamOpened(stream: StreamId, at: SocketId, from: Endpoint, local: Endpoint, refused?: StandingRefusal): void;
  /** Of clients served by a standing decision: one who is still there a moment later, and how many have left meanwhile. */
  standingPair?(pair: StandingPair): void;
  standingTotals?(at: SocketId, totals: StandingTotals): void;
  streamConnected(stream: StreamId, result: ConnectResult): void;
  streamData(stream: StreamId, chunk: Uint8Array): void;
  streamClosed(stream: StreamId, end: StreamEnd): void;
}

export type ListenSpec = ListenPlace & {
  /** A descriptor that is bound there already, which the engine makes its own. */
  readonly inherited?: number;
};

type ListenPlace =
  | {
      readonly transport: 'udp';
      readonly local: Endpoint;
      readonly buffers?: SocketBuffers;
      /** Its flows lead from and to ports of others (see openPort). */
      readonly transparent?: boolean;
    }
  | {
      readonly transport: 'tcp';
      readonly local: Endpoint;
      readonly maxStreams: number;
      /** Nothing is read from its streams until somebody asks by `read` or `join`, and each may half-close. */
      readonly held?: true;
      readonly keepAlive?: KeepAlive;
    }
  /** A stream listener in the file system, always held. Its clients have no endpoint: `from` and `local` are UNIX_ENDPOINT. */
  | { readonly transport: 'unix'; readonly path: string; readonly maxStreams: number }
  | { readonly transport: 'tls'; readonly local: Endpoint; readonly maxStreams: number; readonly tls: TlsMaterial };

export interface ConnectSpec {
  readonly to: StreamTarget;
  readonly timeout: Millis;
  readonly keepAlive?: KeepAlive;
  /** The address to connect from; its port may be 0. */
  readonly from?: Endpoint;
  /** `from` is somebody else's; where his port is taken it is any other. What cannot do that answers `no-address`. */
  readonly transparent?: boolean;
  /** What is to follow, without a question in between. */
  readonly join?: ConnectJoin;
}

/**
 * As soon as it is connected, `first` is written to it and the client's stream `with` is joined with it; the sink is told of the connection
 * then.
 */
export interface ConnectJoin extends JoinSpec {
  readonly with: StreamId;
  readonly first: Uint8Array;
}

export interface JoinSpec {
  /** Whose traffic it is. */
  readonly service: ServiceName;
  /** 0 = never. */
  readonly idle: Millis;
}

/** Bytes that the kernel is asked for; 0 = what the engine finds good. It may give less. */
export interface SocketBuffers {
  readonly receive: number;
  readonly send: number;
}

/** PEM texts. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
}

export interface EngineStats {
  readonly flows: ReadonlyMap<ServiceName, number>;
  readonly traffic: readonly TrafficCount[];
  /** Reason → packets, for what the engine itself had to drop (rate limit, socket buffer full, slow stream ...). */
  readonly drops: ReadonlyMap<ServiceName | 'engine', ReadonlyMap<string, number>>;
  /** Of an engine of two paths: what the fast one left to the slow one, by reason. Nothing of it is lost. */
  readonly slowPath?: SlowPathStats;
}

export interface SlowPathStats {
  /** Packets. */
  readonly passes: ReadonlyMap<ServiceName | 'engine', ReadonlyMap<string, number>>;
  /** Flows that the fast path did not take. */
  readonly refusedFlows: ReadonlyMap<string, number>;
  /** Of these, how many it took later. */
  readonly retakenFlows: number;
}

export interface FlowReport {
  readonly flow: Flow;
  readonly packets: number;
  readonly bytes: number;
  readonly lastSeen: Millis;
}

/** Packets and payload bytes that flows and joined streams forwarded, since the start. Bytes of a stream come in no packets. */
export interface TrafficCount {
  readonly service: ServiceName;
  readonly direction: Direction;
  readonly packets: number;
  readonly bytes: number;
}

/** A certificate or key that cannot be read, or that do not belong together. The operator's mistake, hence no misuse. */
export class TlsMaterialError extends Error {
  override readonly name = 'TlsMaterialError';
  readonly code = 'CULVERT_TLS_MATERIAL';
}

export class EngineMisuse extends Error {
  override readonly name = 'EngineMisuse';
  readonly code = 'CULVERT_ENGINE_MISUSE';
}
