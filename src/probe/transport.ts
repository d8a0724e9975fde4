import type { Endpoint } from '../net/endpoint.ts';
import type { ProbeError } from './failure.ts';
import type { TransportKind } from './target.ts';
import { connectStream } from './transport-stream.ts';
import { connectUdp } from './transport-udp.ts';

/** One connection to a server: whole STUN messages and ChannelData messages go in and out, however they travel. */
export interface Transport {
  /** Whether nothing is lost on the way, so that requests are sent once (RFC 8489 §6.2.2). */
  readonly reliable: boolean;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  send(packet: Uint8Array): void;
  close(): void;
}

/** `failed` is called at most once, and not after close(). */
export interface TransportEvents {
  packet: (packet: Uint8Array) => void;
  failed: (error: ProbeError) => void;
}

export interface ConnectOptions {
  readonly kind: TransportKind;
  readonly remote: Endpoint;
  /** Name for the certificate check: what the user wrote, not what it resolved to. */
  readonly servername: string;
  /** Skips the certificate check. */
  readonly insecure: boolean;
  /** Milliseconds until connecting fails as 'no-answer'. */
  readonly timeout: number;
}

/** Rejects with ProbeError. */
export function connect(options: ConnectOptions, events: TransportEvents): Promise<Transport> {
  return options.kind === 'udp' ? connectUdp(options.remote, events) : connectStream(options, events);
}
