import { ReceiveBatch } from '../../sys/receive-batch.ts';
import type { SubmissionRing } from '../../sys/submission-ring.ts';
import { Egress } from './egress.ts';
import { FlowReader } from './flow-reader.ts';
import { Ingress } from './ingress.ts';
import {
  CONTROL_TIME,
  type SharedMemory,
  SLOT_ALIVE,
  SLOT_EGRESS,
  SLOT_WORDS,
  SOCKET_FD,
  SOCKET_WORDS,
  WORKER_EPOCH,
} from './layout.ts';
import { MissWriter } from './miss-ring.ts';
import { Segments } from './segments.ts';
import { BucketMemory } from './shared-buckets.ts';
import { WorkerCounts } from './worker-counts.ts';
import type { WorkerMemory } from './worker-start.ts';

/**
 * A worker's part of the data path:
 *
 *    sockets ─▶ Ingress ─┬─ a flow takes it ─▶ Segments ── alive? ─▶ Egress ─▶ sockets
 *                        └─ none ─────────────▶ MissWriter
 */
export class Relay {
  readonly #sockets: Int32Array;
  readonly #slots: Int32Array;
  readonly #state: Int32Array;
  readonly #time: Float64Array;
  readonly #segments: Segments;
  readonly #ingress: Ingress;
  readonly #egress: Egress;
  readonly #misses: MissWriter;
  /** Flows of this batch by the socket that they leave by: the first of each socket, and the next of the same. */
  readonly #firstBySocket = new Map<number, number>();
  #nextOfSocket: Int32Array = new Int32Array(1024);
  #epoch = 0;

  /** `ring`: for sending from many sockets at a time, where there is one. */
  constructor(shared: SharedMemory, own: WorkerMemory, ring?: SubmissionRing) {
    this.#sockets = new Int32Array(shared.sockets);
    this.#slots = new Int32Array(shared.slots);
    this.#state = new Int32Array(own.state);
    this.#time = new Float64Array(shared.control);
    this.#segments = new Segments(this.#slots);
    this.#misses = new MissWriter(own.misses);
    const counts = new WorkerCounts(own.counts);
    const batch = new ReceiveBatch(BATCH, Egress.bytes);
    this.#ingress = new Ingress({
      sockets: this.#sockets,
      batch,
      flows: new FlowReader(shared),
      segments: this.#segments,
      misses: this.#misses,
      counts,
    });
    this.#egress = new Egress({
      arena: batch.arena,
      control: new Int32Array(shared.control),
      slots: this.#slots,
      slotDoubles: new Float64Array(shared.slots),
      segments: this.#segments,
      buckets: new BucketMemory(shared),
      counts,
      ring,
    });
  }

  /** Reads these sockets and forwards what flows take. */
  turn(places: Iterable<number>): void {
    this.#epoch = Atomics.add(this.#state, WORKER_EPOCH, 1) + 1;
    // A socket that fills a batch has its next turn after the others.
    for (const place of places) if (!this.#ingress.read(place, this.#epoch)) this.#flush();
    this.#forward();
    Atomics.add(this.#state, WORKER_EPOCH, 1);
    Atomics.notify(this.#state, WORKER_EPOCH);
    this.#misses.wakeReader();
  }

  /** Ends a batch in the middle of a turn. */
  #flush(): void {
    this.#forward();
    this.#epoch = Atomics.add(this.#state, WORKER_EPOCH, 2) + 2;
    Atomics.notify(this.#state, WORKER_EPOCH);
    this.#misses.wakeReader();
  }

  #forward(): void {
    if (this.#segments.flows > 0) {
      this.#sortLiving();
      const now = this.#time[CONTROL_TIME] || Date.now();
      for (const [socket, first] of this.#firstBySocket) this.#send(socket, first, now);
      this.#egress.end();
      this.#firstBySocket.clear();
      this.#segments.clear();
    }
    this.#ingress.clear();
  }

  /** Of the flows that were marked, those that are still what was found go by egress socket; the packets of the others go up. */
  #sortLiving(): void {
    const { flows, slot, generation, first } = this.#segments;
    if (this.#nextOfSocket.length < flows) this.#nextOfSocket = new Int32Array(flows * 2);
    // The barrier between the marks and the looks.
    Atomics.add(this.#state, WORKER_EPOCH, 0);
    for (let n = 0; n < flows; n++) {
      const at = (slot[n] ?? 0) * SLOT_WORDS;
      if (Atomics.load(this.#slots, at + SLOT_ALIVE) !== generation[n]) {
        this.#sendUp(first[n] ?? -1);
        continue;
      }
      const socket = this.#slots[at + SLOT_EGRESS] ?? 0;
      this.#nextOfSocket[n] = this.#firstBySocket.get(socket) ?? -1;
      this.#firstBySocket.set(socket, n);
    }
  }

  #send(socket: number, first: number, now: number): void {
    const { slot, first: firstSegment } = this.#segments;
    this.#egress.from(this.#sockets[socket * SOCKET_WORDS + SOCKET_FD] ?? -1);
    for (let n = first; n >= 0; n = this.#nextOfSocket[n] ?? -1) {
      this.#egress.flow(slot[n] ?? 0, firstSegment[n] ?? -1, now);
    }
  }

  #sendUp(first: number): void {
    const { message, offset, length, next } = this.#segments;
    for (let n = first; n >= 0; n = next[n] ?? -1) {
      this.#ingress.miss(message[n] ?? 0, offset[n] ?? 0, length[n] ?? 0);
    }
  }
}

/** Messages of a batch. More make longer trains of interleaved flows, and everybody wait longer. */
const BATCH = 256;
