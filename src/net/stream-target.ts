import type { Endpoint } from './endpoint.ts';
import type { Millis } from './time.ts';

/** Whom a stream may be connected to: an endpoint, or a socket of the file system. */
export type StreamTarget = Endpoint | UnixPath;

export interface UnixPath {
  readonly path: string;
}

/** Why a connect came to nothing. */
export type ConnectFailure = 'refused' | 'timeout' | 'unreachable' | 'no-descriptors' | 'no-address' | 'failed';

export type ConnectResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure: ConnectFailure; readonly detail: string };

/** Probes of a silent connection: the first after `idle`, then every `interval`; after `count` without an answer it is dead. */
export interface KeepAlive {
  readonly idle: Millis;
  readonly interval: Millis;
  readonly count: number;
}

/** How a stream ended. */
export interface StreamEnd {
  /** What came from its peer while it was joined. */
  readonly bytes: number;
  /** Both sides said all that they wanted to say; false after a reset, a timeout, or our own doing. */
  readonly clean: boolean;
}

/** Stands for a client of a unix socket, and for the socket itself: they have no endpoint. */
export const UNIX_ENDPOINT: Endpoint = { family: 4, address: '127.0.0.1', port: 0 };
