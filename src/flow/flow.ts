import type { Endpoint } from '../net/endpoint.ts';
import type { BucketId, FlowId, SocketId } from '../net/ids.ts';
import type { Millis } from '../net/time.ts';

/**
 * A forwarding decision that an engine executes without asking again: match → rewrite → send.
 *
 *      remote ──▶ local ┃ match          rewrite ┃ local ──▶ remote
 *     (client)  (at)    ┃ discriminator  encaps. ┃ (via)     (peer)
 *
 * A flow caches a decision of its service: taking every flow away may slow traffic down, never change what is allowed.
 */
export interface Flow {
  readonly id: FlowId;
  readonly service: ServiceName;
  /** For counters only: which way the packets of this flow go, seen from the service's client. */
  readonly direction: Direction;
  readonly match: FlowMatch;
  readonly rewrite: FlowRewrite;
  /** Absent: no limit. Flows that name the same bucket share it. */
  readonly limit?: RateLimit;
  /** After how long without a packet the engine may reap the flow and report it; 0 = never. */
  readonly idle: Millis;
}

export type ServiceName = 'turn' | 'wireguard' | 'pair' | 'forward';
export type Direction = 'to_peer' | 'to_client';

/** At most one flow exists per (socket, remote endpoint, discriminator). The local endpoint may have a wildcard address (0.0.0.0, ::). */
export interface FlowMatch {
  readonly socket: SocketId;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly discriminator: Discriminator;
  /**
   * Payloads whose first 32 bits (big-endian) are this number are not taken but go up, where a service looks at what may be a handshake of
   * a client whose data it does not understand. Goes with discriminator none only.
   */
  readonly exceptWord?: number;
}

/**
 * What in the payload selects the flow.
 * - channel: TURN ChannelData of this number (RFC 8656 §12.4), whose length field fits the datagram
 * - receiver: WireGuard message types 2, 3, 4 with this receiver index
 * On one (socket, remote) a discriminated flow is looked for first, then the one without.
 */
export type Discriminator =
  | { readonly kind: 'none' }
  | { readonly kind: 'channel'; readonly channel: number }
  | { readonly kind: 'receiver'; readonly index: number };

/** One for all flows that need no more: with one for each, a hundred thousand flows would hold 3 MB of them. */
export const NO_DISCRIMINATOR: Discriminator = { kind: 'none' };

export interface FlowRewrite {
  readonly socket: SocketId;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly encapsulation: Encapsulation;
}

/**
 * The payload's change. The TURN channel header is 4 bytes: number, then length of the data without padding.
 * - strip removes it and any padding behind the data; add puts one in front; replace changes the number and removes padding.
 * strip and replace go with a channel discriminator only.
 */
export type Encapsulation =
  | { readonly kind: 'keep' }
  | { readonly kind: 'strip' }
  | { readonly kind: 'add'; readonly channel: number }
  | { readonly kind: 'replace'; readonly channel: number };

/** One for all, as above. */
export const KEEP: Encapsulation = { kind: 'keep' };
export const STRIP: Encapsulation = { kind: 'strip' };

/** A token bucket: `bytesPerSecond` refill (> 0), `burst` bytes of depth (> 0). Payload bytes as received are charged. */
export interface RateLimit {
  readonly bucket: BucketId;
  readonly bytesPerSecond: number;
  readonly burst: number;
}

/** What an engine keeps for each flow. `lastSeen` is 0 before the first packet. */
export interface FlowCounters {
  packets: number;
  bytes: number;
  lastSeen: Millis;
}
