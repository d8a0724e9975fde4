import type { Idler } from '../../../flow/idle-wheel.ts';
import type { Millis } from '../../../net/time.ts';
import type { Fd } from '../../../sys/fd.ts';
import type { Pipe } from '../../../sys/pipe.ts';
import type { KeepAliveSeconds } from '../../../sys/stream-socket.ts';
import type { Accepting } from './acceptor.ts';

/**
 * One connection of a worker.
 *
 *   accept ───────────────▶ held ── join ──▶ joined ── both ends said, or one broke ──▶ gone
 *   connect ─▶ connecting ─▶ │
 *                            └── closeStream ──▶ lingering (flushes, unknown to the service) ──▶ gone
 */
export class Stream implements Idler {
  /** What the main thread calls it; UNTOLD while it has not heard of it. */
  handle: number;
  readonly fd: Fd;
  /** Where it was accepted; undefined when we made the connection. */
  readonly listener: Accepting | undefined;
  /** The turn of the loop that began it: events of that turn are of an earlier owner of the number. */
  readonly born: number;
  state: StreamState;
  /** Events that the kernel was asked to tell. */
  watched = 0;
  /** What the kernel told, until a call said that it is so no more. */
  readable = true;
  writable = true;
  /** The peer said its last, or is gone: there is an end to be read behind what is there. */
  hungUp = false;
  /** That end is a FIN, and everything before it has come. */
  finished = false;
  /** It sent urgent data, at which reads stop and splices stay. */
  urgent = false;
  /** Its end was read. */
  ended = false;
  /** Ours was sent. */
  shut = false;
  /** The service wants a chunk. */
  wanted = false;
  /**
   * Options that only long connections need are set when it is seen to be one: keep-alive after a while, TCP_NODELAY with the second packet, as
   * the first is never delayed. What was accepted has both from its listener.
   */
  keepAlive: KeepAliveSeconds | undefined = undefined;
  prompt: boolean;
  sends = 0;
  partner: Stream | undefined = undefined;
  joining: Joining | undefined = undefined;
  /** Of a standing decision: which target it is, and which errno a connect to it had. */
  tag = 0;
  refusal = 0;
  /** Written to it before the join and not taken yet. */
  front: Uint8Array | undefined = undefined;

  /** What came from it and is on its way to the partner: in a pipe, or, being less, copied. Never both. */
  pipe: Pipe | undefined = undefined;
  piped = 0;
  rest: Uint8Array | undefined = undefined;
  /** So much came last time that pipes pay. */
  bulk = false;
  /** Waits for another turn of the loop, having had its share of this one. */
  again = false;
  /** That came while it was joined, and where that is counted. */
  bytes = 0;
  countAt = 0;

  slot = -1;
  idle: Millis = 0;
  active: Millis = 0;

  constructor(handle: number, fd: Fd, listener: Accepting | undefined, born: number, state: StreamState) {
    this.handle = handle;
    this.fd = fd;
    this.listener = listener;
    this.born = born;
    this.state = state;
    this.prompt = listener !== undefined;
  }
}

/** No handle: a client whom a standing decision serves, and his upstream, before the main thread is told. */
export const UNTOLD = 0;

/** What follows when it is connected. */
export interface Joining {
  /** Handle of the stream that it is joined with; UNTOLD for the partner that it has already. */
  readonly client: number;
  readonly service: number;
  readonly idle: Millis;
  readonly first: Uint8Array | undefined;
}

export type StreamState = 'connecting' | 'held' | 'joined' | 'lingering' | 'gone';
