import type { Flow, ServiceName } from '../flow/flow.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { FlowId, SocketId, StreamId } from '../net/ids.ts';
import type { OpenResult } from '../net/open-result.ts';
import type { Resolution } from '../net/resolution.ts';
import type { StandingDecision, StandingPair, StandingRefusal, StandingTotals } from '../net/standing.ts';
import type { ConnectResult, KeepAlive, StreamEnd, StreamTarget } from '../net/stream-target.ts';
import type { Millis } from '../net/time.ts';
import type { ClientRecord } from './client-record.ts';

/**
 * The contract of a protocol service: a pure state machine without socket, clock or randomness of its own.
 *
 * Call one handle* method, drain pollOutput() to undefined, then ask pollTimeout(). Nothing is held back between drains: whatever
 * a handle* decided is in the orders. Buffers handed in are valid until the drain that follows; orders may point into them.
 */
export interface Service {
  readonly name: ServiceName;

  /** A datagram that no flow took, at a listener or at a port that this service opened. */
  handleDatagram(at: SocketId, from: Endpoint, packet: Uint8Array, now: Millis): void;
  /** Answer to an openPort order. */
  handlePortOpened(socket: SocketId, result: OpenResult, now: Millis): void;
  /** The engine reaped a flow that was idle for as long as it allows. */
  handleFlowIdle(flow: FlowId, now: Millis): void;
  /**
   * `local`: where it was accepted, the real address also at a wildcard listener. `refused`: what the engine tried already, by a standing decision.
   */
  handleStreamOpened(
    stream: StreamId,
    at: SocketId,
    from: Endpoint,
    now: Millis,
    local: Endpoint,
    refused?: StandingRefusal,
  ): void;
  handleStreamData(stream: StreamId, chunk: Uint8Array, now: Millis): void;
  /** The stream is gone, by whichever side; its id is never used again. Not called after the service's own closeStream. */
  handleStreamClosed(stream: StreamId, now: Millis, end: StreamEnd): void;
  /** Answer to a connect order. A stream that is connected is held, as those of a held listener are. */
  handleStreamConnected?(stream: StreamId, result: ConnectResult, now: Millis): void;
  /** A client whom a standing decision served is there a moment later. Both of his streams end by handleStreamClosed. */
  handleStandingPair?(pair: StandingPair, now: Millis): void;
  /** Those who left before. */
  handleStandingTotals?(at: SocketId, totals: StandingTotals, now: Millis): void;
  /** Answer to a resolve order. */
  handleResolved?(name: string, resolution: Resolution, now: Millis): void;
  handleTimeout(now: Millis): void;
  /**
   * Whether whatever comes from this address is the service's, although its first bytes may look like those of another protocol. Asked
   * where services share a listener; absent = first bytes are enough.
   */
  owns?(at: SocketId, from: Endpoint): boolean;

  pollOutput(): Order | undefined;
  /** Next deadline; valid once drained. */
  pollTimeout(): Millis | undefined;
}

/** A service that can come to an end without cutting anybody off. */
export interface Drainable {
  /**
   * From now on nobody new is taken; who is there may stay: for as long as the configuration allows, or with `endless` as long as he likes. May be
   * called again with the other.
   */
  drain(now: Millis, patience?: 'endless'): void;
  /** Whoever comes is taken again, and who is there has all the time that he had before. */
  resume(now: Millis): void;
  /** How many are still there; 0 ends the waiting. */
  readonly clientsLeft: number;
}

/** What every service of a relay offers beyond the contract, to whoever runs it. */
export interface Managed {
  /** The block list has changed: who is on it now loses what it has, flows before the ports that they use. */
  applyBlocks(now: Millis): void;
  /** One record for each client; others may come and go while they are walked through. */
  clients(): Iterable<ClientRecord>;
}

/** What a service wants done, in order. A flow is removed before the port that it uses is closed. */
export type Order =
  | {
      readonly type: 'send';
      readonly from: SocketId;
      readonly to: Endpoint;
      readonly packet: Uint8Array;
      /** With the DF bit set (RFC 8656 §14); only where the engine said that it can. */
      readonly dontFragment?: true;
    }
  | {
      readonly type: 'write';
      readonly stream: StreamId;
      readonly packet: Uint8Array;
      /** Relayed data: may be dropped whole (and counted) when the stream's reader is slow. Responses are not. */
      readonly droppable: boolean;
    }
  | { readonly type: 'closeStream'; readonly stream: StreamId }
  /**
   * Answered by handleStreamConnected, after `timeout` at the latest. `from`: the address to connect from. `join`: as soon as
   * it is connected, `first` is written to it and `with`, the client's, is joined with it, as by the orders below; then the answer comes.
   */
  | {
      readonly type: 'connect';
      readonly stream: StreamId;
      readonly to: StreamTarget;
      readonly timeout: Millis;
      readonly keepAlive?: KeepAlive;
      readonly from?: Endpoint;
      readonly join?: { readonly with: StreamId; readonly first: Uint8Array; readonly idle: Millis };
    }
  /** Wants the next piece of a held stream (64 KiB at most), by handleStreamData; then it is held again. */
  | { readonly type: 'read'; readonly stream: StreamId }
  /**
   * From now on the engine moves what comes from the one held stream to the other, both ways, with back-pressure and half-close, until both
   * have ended; each then ends by handleStreamClosed. What was written or read before stays in front. `a` is the client's. `idle`:
   * after how long without a byte the engine may end them; 0 = never.
   */
  | { readonly type: 'join'; readonly a: StreamId; readonly b: StreamId; readonly idle: Millis }
  /**
   * From now on the engine need not ask about clients of this listener of held streams; without a decision it has to again. Who is told of nobody in
   * the meantime hears of all who are there before the next question.
   */
  | { readonly type: 'stand'; readonly at: SocketId; readonly decision: StandingDecision | undefined }
  /** Asks what addresses a name has now; answered by handleResolved. */
  | { readonly type: 'resolve'; readonly name: string }
  | { readonly type: 'openPort'; readonly socket: SocketId; readonly local: Endpoint }
  | { readonly type: 'closePort'; readonly socket: SocketId }
  | { readonly type: 'addFlow'; readonly flow: Flow }
  | { readonly type: 'removeFlow'; readonly flow: FlowId }
  | { readonly type: 'event'; readonly event: ServiceEvent };

/** Something worth a line in the log. `level` is info for what an operator follows, debug for what names a client. */
export interface ServiceEvent {
  readonly level: 'debug' | 'info' | 'warn';
  readonly name: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}
