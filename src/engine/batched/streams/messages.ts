import type { ServiceName } from '../../../flow/flow.ts';

/**
 * What the main thread orders, and what a worker reports. Streams go by a handle: what was connected by its StreamId, what a worker
 * accepted by a negative number of the worker's, as it has no ids to give.
 */
export const COMMAND = {
  /** Of a listener: fd:4 streams at most:4 place in Seats:4 kind:4 (LISTEN_*) */
  listen: 1,
  /** Of a listener: 1 where its streams end too:4 */
  unlisten: 2,
  /** CONNECT_* below */
  connect: 3,
  read: 4,
  /** size:4 −:4 bytes */
  write: 5,
  /** the other:8 service:4 −:4 idle:8 */
  join: 6,
  close: 7,
  /** Another worker is to have a held stream. */
  release: 8,
  /** fd:4 of a held stream that another worker had */
  adopt: 9,
  stop: 10,
  /** Of a listener: STAND_* below */
  stand: 11,
  /** It is to be answered when the main thread knows of everybody where nothing stands */
  tell: 12,
} as const;

export const REPORT = {
  /** listener:8 fd:8 remote:32 local:32, then what a standing decision came to: tag:4 errno:4 (0 = it was not asked) */
  opened: 1,
  /** errno:8 fd:8 */
  connected: 2,
  /** size:4 −:4 bytes */
  data: 3,
  /** bytes:8 clean:8 */
  closed: 4,
  /** of a listener: the worker has let go of its descriptor, and the main thread knows of all its clients */
  unlistened: 5,
  /** fd:8 −:8; it is the main thread's now */
  released: 6,
  /** As opened, but the tag is of the target that it is joined with:4 −:4, and of that stream: handle:8 fd:8 */
  pair: 7,
  /** Of a listener: connections:8 bytes to upstreams:8 to clients:8 of pairs that ended untold */
  totals: 8,
  /** The worker is at work */
  begun: 9,
  /** The answer to tell, by the same number */
  told: 10,
} as const;

export const LISTEN_PLAIN = 0;
/** Bound to all addresses: each connection has to be asked for its own. */
export const LISTEN_ANY = 1;
export const LISTEN_UNIX = 2;
export const LISTEN_BYTES = 16;

/**
 * timeout:8 keep-alive's idle:4 interval:4 count:4 (0 = none) target's size:4 source's size:4 family:4 (0 = unix) target:112
 * source:28 whether that is somebody else's:4, then of the join: with:8 (0 = none) idle:8 service:4 size of what comes first:4
 */
export const CONNECT_KEEP_ALIVE = 8;
export const CONNECT_SIZES = 20;
export const CONNECT_FAMILY = 28;
export const CONNECT_TARGET = 32;
export const CONNECT_SOURCE = 144;
export const CONNECT_FOREIGN = 172;
export const CONNECT_WITH = 176;
export const CONNECT_IDLE = 184;
export const CONNECT_SERVICE = 192;
export const CONNECT_FIRST_SIZE = 196;
/** Then what is to be written first. */
export const CONNECT_BYTES = 200;
export const SOCKADDR_STRIDE = 32;
export const OPENED_REMOTE = 16;
export const OPENED_LOCAL: number = OPENED_REMOTE + SOCKADDR_STRIDE;
export const OPENED_TAG: number = OPENED_LOCAL + SOCKADDR_STRIDE;
export const OPENED_BYTES: number = OPENED_TAG + 8;
export const PAIR_BYTES: number = OPENED_BYTES + 16;

/** timeout:8 idle:8 keep-alive's idle:4 interval:4 count:4 service:4 most:4 targets:4 version:4 −:4, then of each target tag:4 size:4 family:4 (0 = unix) −:4 address:112 */
export const STAND_KEEP_ALIVE = 16;
export const STAND_SERVICE = 28;
export const STAND_MOST = 32;
export const STAND_COUNT = 36;
export const STAND_VERSION = 40;
export const STAND_BYTES = 48;
export const STAND_TARGET_BYTES = 128;
export const STAND_TARGET_ADDRESS = 16;
/** One chunk that was asked for by read. */
export const CHUNK_BYTES = 64 * 1024;

export const SERVICES: readonly ServiceName[] = ['turn', 'wireguard', 'pair', 'forward'];

/** Drops that a worker counts, in the order of their counters. */
export const DROPS = [
  'stream-error',
  'accept-failed',
  'accept-deferred',
  'too-many-streams',
  'stream-overflow',
  'stream-gone',
] as const;
export type StreamDrop = (typeof DROPS)[number];

/** Shared by a worker and the main thread. */
export interface StreamMemory {
  readonly commands: { readonly state: SharedArrayBuffer; readonly messages: SharedArrayBuffer };
  readonly reports: { readonly state: SharedArrayBuffer; readonly messages: SharedArrayBuffer };
  /** Of all workers: see Seats. How many there are, and which this one is. */
  readonly seats: SharedArrayBuffer;
  readonly workers: number;
  readonly own: number;
  /** Float64, of one writer: bytes by service and direction, then the drops. */
  readonly counts: SharedArrayBuffer;
  /** One byte for each descriptor number: 1 while the worker has it. What it leaves behind is closed by others. */
  readonly owned: SharedArrayBuffer;
  /** Float64, of all workers, by descriptor number: what came from a joined stream. */
  readonly bytes: SharedArrayBuffer;
}

export function trafficPlace(service: number, toClient: boolean): number {
  return service * 2 + (toClient ? 1 : 0);
}

export const DROPS_AT: number = SERVICES.length * 2;
export const COUNTS: number = DROPS_AT + DROPS.length;
/** Numbers of descriptors above are not looked after. */
export const DESCRIPTORS_MOST: number = 1024 * 1024;
