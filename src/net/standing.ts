import type { Endpoint } from './endpoint.ts';
import type { SocketId, StreamId } from './ids.ts';
import type { ConnectFailure, KeepAlive, StreamTarget } from './stream-target.ts';
import type { Millis } from './time.ts';

/**
 * What becomes of whoever connects at a listener, decided before he comes: he is connected to one of these targets and joined with it. It is
 * to streams what a flow is to datagrams, a decision that is cached: asking for each client comes to the same, and is slower.
 */
export interface StandingDecision {
  /** In turn, beginning with the first; 1 to STANDING_TARGETS. */
  readonly to: readonly StandingTarget[];
  readonly timeout: Millis;
  readonly keepAlive?: KeepAlive;
  /** As of a join; 0 = never. */
  readonly idle: Millis;
  /** Streams that the listener may have at a time: of a client beyond the service is asked. */
  readonly most: number;
}

export interface StandingTarget {
  /** What the service calls it. */
  readonly tag: number;
  readonly place: StreamTarget;
}

/** Why a client of such a listener is asked about after all: his target could not be connected to. */
export interface StandingRefusal {
  readonly tag: number;
  readonly failure: ConnectFailure;
  readonly detail: string;
}

/** A client who was served by a standing decision, and has not left yet. His two streams are joined. */
export interface StandingPair {
  readonly at: SocketId;
  readonly client: StreamId;
  readonly upstream: StreamId;
  readonly from: Endpoint;
  readonly local: Endpoint;
  readonly tag: number;
}

/** Clients who were served, and left before anybody was told of them. */
export interface StandingTotals {
  readonly connections: number;
  /** Bytes. */
  readonly toUpstream: number;
  readonly toClient: number;
}

export const STANDING_TARGETS = 16;
