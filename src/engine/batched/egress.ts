import type { Arena } from '../../sys/arena.ts';
import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, errnoName } from '../../sys/errno.ts';
import { SendBatch } from '../../sys/send-batch.ts';
import type { SubmissionRing } from '../../sys/submission-ring.ts';
import { sendFailureOf } from '../portable/error-names.ts';
import {
  ADD,
  CONTROL_GSO,
  KEEP,
  NO_BUCKET,
  REPLACE,
  SLOT_BUCKET,
  SLOT_BYTES,
  SLOT_CHANNEL,
  SLOT_DOUBLES,
  SLOT_ENCAPSULATION,
  SLOT_LAST_SEEN,
  SLOT_MAX_PAYLOAD,
  SLOT_NO_TRAINS,
  SLOT_PACKETS,
  SLOT_SOURCE,
  SLOT_SOURCE_FAMILY,
  SLOT_TALLY,
  SLOT_TO,
  SLOT_TO_SIZE,
  SLOT_WORDS,
  STRIP,
} from './layout.ts';
import { MOST_SEGMENTS, type Segments } from './segments.ts';
import type { BucketMemory } from './shared-buckets.ts';
import type { WorkerCounts } from './worker-counts.ts';

const HEADER_BYTES = 4;
export const MOST_MESSAGES = 512;
const MOST_PIECES = 4096;
/** UDP_MAX_SEGMENTS of older kernels. */
const MOST_IN_TRAIN = 64;
const SURELY_FITS = 512;

export interface EgressParts {
  readonly arena: Arena;
  readonly control: Int32Array;
  readonly slots: Int32Array;
  readonly slotDoubles: Float64Array;
  readonly segments: Segments;
  readonly buckets: BucketMemory;
  readonly counts: WorkerCounts;
  /** Takes MOST_MESSAGES; undefined where the kernel or a sandbox has none. */
  readonly ring: SubmissionRing | undefined;
}

/**
 * Sends what flows took, socket by socket: to the verdicts of flow/apply.ts, and without copying a payload. Neighbours of one flow and
 * one size go out as a train that the kernel cuts (UDP_SEGMENT), the last of which may be shorter.
 */
export class Egress {
  readonly #parts: EgressParts;
  readonly #batch: SendBatch;
  /** Room for one channel header a datagram, and how much of it is taken. */
  readonly #headers: number;
  #header = 0;
  #fd = -1;
  /** Of each message: its flow, its first datagram and how many it has. */
  readonly #slot: Int32Array = new Int32Array(MOST_MESSAGES);
  readonly #first: Int32Array = new Int32Array(MOST_MESSAGES);
  readonly #size: Int32Array = new Int32Array(MOST_MESSAGES);
  readonly #fds: Int32Array = new Int32Array(MOST_MESSAGES);
  readonly #results: Int32Array = new Int32Array(MOST_MESSAGES);
  /** Trains that the kernel refused, to be sent one by one: four numbers each, as above. */
  #refused: number[] = [];

  /** What it takes of the arena. */
  static readonly bytes: number = SendBatch.bytes(MOST_MESSAGES, MOST_PIECES) + MOST_SEGMENTS * HEADER_BYTES + 64;

  constructor(parts: EgressParts) {
    this.#parts = parts;
    this.#batch = new SendBatch(parts.arena, MOST_MESSAGES, MOST_PIECES);
    this.#headers = parts.arena.take(MOST_SEGMENTS * HEADER_BYTES, 64);
  }

  /** From now on from this socket. */
  from(fd: number): void {
    this.#fd = fd;
  }

  /** All datagrams of one flow, from the first of its chain on. */
  flow(slot: number, first: number, now: number): void {
    const { segments } = this.#parts;
    const { packets, bytes } = this.#admit(slot, first, now);
    const at = slot * SLOT_DOUBLES;
    const doubles = this.#parts.slotDoubles;
    doubles[at + SLOT_LAST_SEEN] = now;
    if (packets === 0) return;
    doubles[at + SLOT_PACKETS] = (doubles[at + SLOT_PACKETS] ?? 0) + packets;
    doubles[at + SLOT_BYTES] = (doubles[at + SLOT_BYTES] ?? 0) + bytes;
    const { slots, counts } = this.#parts;
    const tally = slots[slot * SLOT_WORDS + SLOT_TALLY] ?? 0;
    counts.forwarded(tally, packets, bytes);
    // The upper half of the first word of a sockaddr is the port.
    if ((slots[slot * SLOT_WORDS + SLOT_TO] ?? 0) >>> 16 === 0) counts.dropped(tally >> 1, 'port-zero', packets);
    else this.#gather(slot, first, segments.count, this.#parts.control[CONTROL_GSO] === 1);
  }

  /** Sends what is gathered; then nothing of the batch is needed any more. */
  end(): void {
    this.#transmit();
    while (this.#refused.length > 0) {
      const refused = this.#refused;
      this.#refused = [];
      for (let n = 0; n < refused.length; n += 4) {
        this.#fd = refused[n + 3] ?? -1;
        this.#gather(refused[n] ?? 0, refused[n + 1] ?? 0, refused[n + 2] ?? 0, false);
      }
      this.#transmit();
    }
    this.#header = 0;
  }

  /** Steps 2 to 4 of flow/apply.ts for every datagram; those that may not go get the length −1. */
  #admit(slot: number, first: number, now: number): { packets: number; bytes: number } {
    const { slots, segments, buckets, counts } = this.#parts;
    const at = slot * SLOT_WORDS;
    const most = slots[at + SLOT_MAX_PAYLOAD] ?? 0;
    const bucket = slots[at + SLOT_BUCKET] ?? NO_BUCKET;
    const owner = (slots[at + SLOT_TALLY] ?? 0) >> 1;
    let packets = 0;
    let bytes = 0;
    for (let n = first; n >= 0; n = segments.next[n] ?? -1) {
      const length = segments.length[n] ?? 0;
      if (this.#outLength(at, n) > most) {
        counts.dropped(owner, 'too-big');
        segments.length[n] = -1;
      } else if (bucket !== NO_BUCKET && !buckets.take(bucket, length, now)) {
        counts.dropped(owner, 'rate-limited');
        segments.length[n] = -1;
      } else {
        packets += 1;
        bytes += length;
      }
    }
    return { packets, bytes };
  }

  /** Makes messages of at most `count` datagrams of the chain, trains if it may. */
  #gather(slot: number, first: number, count: number, trains: boolean): void {
    const { slots, segments } = this.#parts;
    const batch = this.#batch;
    const at = slot * SLOT_WORDS;
    const most = slots[at + SLOT_MAX_PAYLOAD] ?? 0;
    const tooLong = slots[at + SLOT_NO_TRAINS] || most;
    let train = 0;
    let size = 0;
    let total = 0;
    let header = -1;
    let headerOf = -1;
    let left = count;
    for (let n = first; n >= 0 && left > 0; n = segments.next[n] ?? -1) {
      if ((segments.length[n] ?? 0) < 0) continue;
      left -= 1;
      const length = this.#outLength(at, n);
      const joins =
        trains && train > 0 && train < MOST_IN_TRAIN && length > 0 && length <= size && total + length <= most;
      if (!joins || !batch.fits(2)) {
        if (train > 1) batch.cut(size);
        if (!batch.fits(2)) this.#transmit();
        const message = batch.messages;
        batch.message(slots, at + SLOT_TO, slots[at + SLOT_TO_SIZE] ?? 0);
        const source = slots[at + SLOT_SOURCE_FAMILY];
        if (source === 4 || source === 6) batch.leaveFrom(source, slots, at + SLOT_SOURCE);
        this.#slot[message] = slot;
        this.#first[message] = n;
        this.#fds[message] = this.#fd;
        train = 0;
        size = length;
        total = 0;
      }
      const encapsulation = slots[at + SLOT_ENCAPSULATION] ?? KEEP;
      const offset = segments.offset[n] ?? 0;
      if (encapsulation === ADD && length !== headerOf) {
        header = this.#headerFor(slots[at + SLOT_CHANNEL] ?? 0, length - HEADER_BYTES);
        headerOf = length;
      }
      if (encapsulation === KEEP) batch.piece(offset, length);
      else if (encapsulation === STRIP) batch.piece(offset + HEADER_BYTES, length);
      else if (encapsulation === REPLACE) {
        this.#writeHeader(offset, slots[at + SLOT_CHANNEL] ?? 0, length - HEADER_BYTES);
        batch.piece(offset, length);
      } else {
        batch.piece(header, HEADER_BYTES);
        batch.piece(offset, length - HEADER_BYTES);
      }
      train += 1;
      total += length;
      this.#size[batch.messages - 1] = train;
      // A shorter one ends the train, and what is too long for one is alone.
      if (length < size || length >= tooLong) {
        if (train > 1) batch.cut(size);
        train = 0;
      }
    }
    if (train > 1) batch.cut(size);
  }

  /** Size of what goes out. Flows that strip or replace took whole ChannelData only. */
  #outLength(slot: number, segment: number): number {
    const { slots, segments, arena } = this.#parts;
    const encapsulation = slots[slot + SLOT_ENCAPSULATION];
    const length = segments.length[segment] ?? 0;
    if (encapsulation === KEEP) return length;
    if (encapsulation === ADD) return HEADER_BYTES + length;
    const at = (segments.offset[segment] ?? 0) + 2;
    const data = ((arena.bytes[at] ?? 0) << 8) | (arena.bytes[at + 1] ?? 0);
    return encapsulation === STRIP ? data : HEADER_BYTES + data;
  }

  #headerFor(channel: number, length: number): number {
    const at = this.#headers + this.#header;
    this.#header += HEADER_BYTES;
    this.#writeHeader(at, channel, length);
    return at;
  }

  #writeHeader(at: number, channel: number, length: number): void {
    const { bytes } = this.#parts.arena;
    bytes[at] = channel >>> 8;
    bytes[at + 1] = channel;
    bytes[at + 2] = length >>> 8;
    bytes[at + 3] = length;
  }

  #transmit(): void {
    const batch = this.#batch;
    const { ring } = this.#parts;
    // Where all leave by one socket sendmmsg is one call too, and the cheaper one.
    if (ring === undefined || this.#endOfSocket(0) === batch.messages) {
      for (let first = 0; first < batch.messages; first = this.#sendRun(first));
    } else {
      ring.sendAll(batch, this.#fds, this.#results);
      for (let n = 0; n < batch.messages; n++) {
        const result = this.#results[n] ?? 0;
        if (result < 0) this.#failed(n, -result);
      }
    }
    batch.begin();
  }

  /** Sends the neighbours of one message that leave by the same socket; where the next socket begins. */
  #sendRun(first: number): number {
    const end = this.#endOfSocket(first);
    const fd = this.#fds[first] ?? -1;
    for (let done = first; done < end; ) {
      const sent = this.#batch.send(fd, done, end);
      if (sent > 0) done += sent;
      else if (sent === -EAGAIN) for (; done < end; done++) this.#failed(done, EAGAIN);
      else if (sent !== -EINTR) this.#failed(done++, -sent);
    }
    return end;
  }

  #endOfSocket(first: number): number {
    let end = first;
    while (end < this.#batch.messages && this.#fds[end] === this.#fds[first]) end += 1;
    return end;
  }

  /** A train may be refused where its datagrams are not: by a device that cannot cut, or because of the route's MTU. */
  #failed(message: number, errno: number): void {
    const { slots } = this.#parts;
    const slot = this.#slot[message] ?? 0;
    const first = this.#first[message] ?? 0;
    const size = this.#size[message] ?? 0;
    if (errno === EAGAIN) {
      // The kernel takes no more: who sends faster than the network loses what is too much here, not in a queue of ours.
      this.#lost(message, 'send-queue-full');
      return;
    }
    if (size === 1 || (errno !== EINVAL && errno !== EIO && errno !== EMSGSIZE)) {
      this.#lost(message, sendFailureOf(errnoName(errno)));
      return;
    }
    const length = this.#outLength(slot * SLOT_WORDS, first);
    // Every route takes datagrams of this size: to there it is the trains that do not go. That says nothing of other flows: the address may be
    // one that nothing goes to, and its peer no friend.
    slots[slot * SLOT_WORDS + SLOT_NO_TRAINS] = errno === EIO || length <= SURELY_FITS ? 1 : length;
    this.#refused.push(slot, first, size, this.#fds[message] ?? -1);
  }

  #lost(message: number, reason: string): void {
    const owner = (this.#parts.slots[(this.#slot[message] ?? 0) * SLOT_WORDS + SLOT_TALLY] ?? 0) >> 1;
    this.#parts.counts.dropped(owner, reason, this.#size[message] ?? 0);
  }
}
