import type { Direction, ServiceName } from '../../flow/flow.ts';
import type { DropOwner } from '../portable/drop-counts.ts';

/**
 * Memory that the main thread and its workers share. Words are of 32 bits.
 *
 *   control   what all look at: which index is in use, the clock of a test, the switch of GSO
 *   sockets   descriptor, whether it is open, which discriminators its flows have
 *   index     two open-addressing hash tables of [slot + 1, hash]: one in use, the other to be the next
 *   slots     a flow each: what it matches, what becomes of the packet, what was counted
 *   buckets   token buckets, for flows to share
 *
 * The main thread alone writes sockets, index and what flows match; a flow's counts are written by the worker that has the socket where
 * it arrives. Nothing here takes a lock but the buckets.
 *
 * Removal. A worker's epoch is odd while it works on a batch. It marks what it touches with its epoch, then, behind a barrier, looks
 * whether that is still the same and alive, and only then sends. The main thread kills first, then, behind a barrier, looks at the mark:
 * so either the worker sees the death, or the main thread sees the mark and waits for the end of that one batch. What nobody touches
 * costs no wait.
 */
export interface SharedMemory {
  readonly control: SharedArrayBuffer;
  readonly sockets: SharedArrayBuffer;
  readonly index: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
  /** Mixed into every hash, so that nobody outside can choose what collides. */
  readonly seed: number;
}

/** `mostFlows`: a power of two. Pages that nothing was written to cost no memory. */
export function createSharedMemory(mostFlows: number, mostSockets: number, seed: number): SharedMemory {
  return {
    control: new SharedArrayBuffer(64),
    sockets: new SharedArrayBuffer(mostSockets * SOCKET_WORDS * 4),
    index: new SharedArrayBuffer(2 * mostFlows * 2 * INDEX_WORDS * 4),
    slots: new SharedArrayBuffer(mostFlows * SLOT_WORDS * 4),
    buckets: new SharedArrayBuffer(mostFlows * BUCKET_DOUBLES * 8),
    seed,
  };
}

/** control, in words: which index is in use, 0 or 1, × 32 + log2 of its entries. */
export const CONTROL_INDEX = 0;
export const CONTROL_GSO = 1;
/** control, in doubles: the time for workers, of tests; 0 = the system's. */
export const CONTROL_TIME = 1;

export const SOCKET_WORDS = 8;
export const SOCKET_FD = 0;
/** Its generation while it is open, 0 when not. */
export const SOCKET_OPEN = 1;
export const SOCKET_TOUCHED = 2;
/** How many flows that arrive here have a channel, how many a receiver index, how many neither. */
export const SOCKET_PLAIN = 3;
export const SOCKET_CHANNELS = 4;
export const SOCKET_RECEIVERS = 5;

/** A worker's own memory, in words: odd while it works on a batch. */
export const WORKER_EPOCH = 0;

export const INDEX_WORDS = 2;
export const INDEX_VACANT = 0;
/** Of a flow that is gone; the search goes on behind it. */
export const INDEX_GRAVE = -1;

/**
 * A slot, in words:
 *
 *   0 generation, 0 gone   1 touched           2 its place in the batch of the worker that touched it
 *   3 socket               4 sender as in sockaddr, family and port first, then 4 words of address
 *   9 discriminator       10 its value        11 whether there is an excepted word       12 that word
 *  13 encapsulation       14 its channel      15 largest payload that may leave
 *  16 egress socket       17 bucket, or none  18 tally                                   19 size of the sockaddr that is ...
 *  20 where to, 7 words   27 datagrams of this size and more cannot be sent in trains, 0 none
 *  28 packets, bytes and last seen, doubles
 *  34 family of the address to leave from, 0 where the routes say       35 that address, 4 words
 */
export const SLOT_WORDS = 40;
export const SLOT_ALIVE = 0;
export const SLOT_TOUCHED = 1;
export const SLOT_PLACE = 2;
export const SLOT_SOCKET = 3;
export const SLOT_SENDER = 4;
export const SENDER_WORDS = 5;
export const SLOT_KIND = 9;
export const SLOT_VALUE = 10;
export const SLOT_EXCEPTS = 11;
export const SLOT_EXCEPTED = 12;
export const SLOT_ENCAPSULATION = 13;
export const SLOT_CHANNEL = 14;
export const SLOT_MAX_PAYLOAD = 15;
export const SLOT_EGRESS = 16;
export const SLOT_BUCKET = 17;
export const SLOT_TALLY = 18;
export const SLOT_TO_SIZE = 19;
export const SLOT_TO = 20;
export const SLOT_NO_TRAINS = 27;
export const SLOT_SOURCE_FAMILY = 34;
export const SLOT_SOURCE = 35;
/** In doubles from the start of the slot, which has SLOT_DOUBLES of them. */
export const SLOT_DOUBLES = SLOT_WORDS / 2;
export const SLOT_PACKETS = 14;
export const SLOT_BYTES = 15;
export const SLOT_LAST_SEEN = 16;

export const KIND_NONE = 0;
export const KIND_CHANNEL = 1;
export const KIND_RECEIVER = 2;

export const KEEP = 0;
export const STRIP = 1;
export const ADD = 2;
export const REPLACE = 3;

export const NO_BUCKET = -1;

/** A bucket, in doubles: as flow/token-bucket.ts, and behind them one for the lock, a word. */
export const BUCKET_DOUBLES = 5;
export const BUCKET_RATE = 0;
export const BUCKET_DEPTH = 1;
export const BUCKET_LEVEL = 2;
export const BUCKET_UPDATED = 3;
export const BUCKET_LOCK = 4;

const SERVICES: readonly ServiceName[] = ['turn', 'wireguard', 'pair', 'forward'];
const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
/** Whose packet is dropped: by index, the services first. */
export const OWNERS: readonly DropOwner[] = [...SERVICES, 'engine'];
export const ENGINE_OWNER: number = SERVICES.length;
/** Where packets and bytes are counted: two for each service. `tally >> 1` is the service. */
export const TALLIES: readonly { readonly service: ServiceName; readonly direction: Direction }[] = SERVICES.flatMap(
  (service) => DIRECTIONS.map((direction) => ({ service, direction })),
);

export function tallyOf(service: ServiceName, direction: Direction): number {
  return TALLIES.findIndex((tally) => tally.service === service && tally.direction === direction);
}
