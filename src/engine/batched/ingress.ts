import { EAGAIN, EINTR } from '../../sys/errno.ts';
import type { ReceiveBatch } from '../../sys/receive-batch.ts';
import { AF_INET } from '../../sys/sockaddr.ts';
import { type FlowReader, NO_FLOW } from './flow-reader.ts';
import { ENGINE_OWNER, SENDER_WORDS, SOCKET_FD, SOCKET_OPEN, SOCKET_TOUCHED, SOCKET_WORDS } from './layout.ts';
import type { MissWriter } from './miss-ring.ts';
import type { Segments } from './segments.ts';
import type { WorkerCounts } from './worker-counts.ts';

export interface IngressParts {
  readonly sockets: Int32Array;
  readonly batch: ReceiveBatch;
  readonly flows: FlowReader;
  readonly segments: Segments;
  readonly misses: MissWriter;
  readonly counts: WorkerCounts;
}

/** Reads sockets into the batch: what a flow takes waits there to be sent, everything else goes up at once. */
export class Ingress {
  readonly #parts: IngressParts;
  readonly #sender: Int32Array = new Int32Array(SENDER_WORDS);
  /** Messages of the batch that are filled, each with the socket that it came to. */
  #used = 0;
  readonly #places: Int32Array;
  readonly #generations: Int32Array;

  constructor(parts: IngressParts) {
    this.#parts = parts;
    this.#places = new Int32Array(parts.batch.count);
    this.#generations = new Int32Array(parts.batch.count);
  }

  /** Reads what there is. False when the batch is full before that. */
  read(place: number, epoch: number): boolean {
    const { sockets, batch, segments } = this.#parts;
    const at = place * SOCKET_WORDS;
    // The mark first, then the look, both behind barriers: see layout.ts.
    Atomics.store(sockets, at + SOCKET_TOUCHED, epoch);
    const generation = Atomics.load(sockets, at + SOCKET_OPEN);
    if (generation === 0) return true;
    const fd = sockets[at + SOCKET_FD] ?? -1;
    while (this.#used < batch.count && segments.count < ENOUGH_SEGMENTS) {
      const most = Math.min(CHUNK, batch.count - this.#used);
      const received = batch.receive(fd, this.#used, most);
      if (received === -EINTR) continue;
      if (received < 0) {
        if (received !== -EAGAIN) this.#failed();
        return true;
      }
      for (let n = 0; n < received; n++) {
        this.#places[this.#used] = place;
        this.#generations[this.#used] = generation;
        this.#take(this.#used++, place, epoch);
      }
      if (received < most) return true;
    }
    return false;
  }

  /** Sends up a datagram that a flow had taken which is gone now. */
  miss(message: number, offset: number, length: number): void {
    const { batch, misses, counts } = this.#parts;
    const { arena } = batch;
    const [place = 0, generation = 0] = [this.#places[message], this.#generations[message]];
    const sender = batch.sender(message) >> 2;
    const local = batch.localAddress(message, ((arena.words[sender] ?? 0) & 0xffff) === AF_INET ? 4 : 6);
    const kept = misses.write(place, generation, arena, sender, local, offset, length);
    if (!kept) counts.dropped(ENGINE_OWNER, 'miss-queue-full');
  }

  clear(): void {
    this.#parts.batch.rearm(this.#used);
    this.#used = 0;
  }

  #take(message: number, place: number, epoch: number): void {
    const { batch, flows, segments, counts } = this.#parts;
    const { words, bytes } = batch.arena;
    const at = batch.sender(message) >> 2;
    const sender = this.#sender;
    const four = ((words[at] ?? 0) & 0xffff) === AF_INET;
    sender[0] = words[at] ?? 0;
    sender[1] = words[at + (four ? 1 : 2)] ?? 0;
    sender[2] = four ? 0 : (words[at + 3] ?? 0);
    sender[3] = four ? 0 : (words[at + 4] ?? 0);
    sender[4] = four ? 0 : (words[at + 5] ?? 0);
    flows.from(place, sender, 0);
    const start = batch.buffer(message);
    const length = batch.length(message);
    const size = batch.segmentSize(message) || length;
    if (size > 0 && length / size > segments.room) {
      counts.dropped(ENGINE_OWNER, 'receive-failed', Math.ceil(length / size));
      return;
    }
    let done = 0;
    do {
      const part = Math.min(size, length - done);
      const slot = flows.find(bytes, start + done, part);
      if (slot === NO_FLOW) this.miss(message, start + done, part);
      else segments.add(slot, flows.generation, epoch, start + done, part, message);
      done += part;
    } while (done < length);
  }

  /** An error that stays would make a busy loop of a socket that is always ready. */
  #failed(): void {
    this.#parts.counts.dropped(ENGINE_OWNER, 'receive-failed');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FAILURE_PAUSE);
  }
}

/** Messages that one call may bring. */
const CHUNK = 64;
/** Of a batch: more would only make those wait who remove a flow. */
const ENOUGH_SEGMENTS = 1024;
const FAILURE_PAUSE = 1;
