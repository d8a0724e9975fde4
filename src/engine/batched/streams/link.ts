import type { Worker } from 'node:worker_threads';
import type { StreamId } from '../../../net/ids.ts';
import type { Millis } from '../../../net/time.ts';
import { WakeUp } from '../../../sys/epoll.ts';
import { Fd } from '../../../sys/fd.ts';
import { resetWhenClosed } from '../../../sys/stream-socket.ts';
import type { ConnectSpec } from '../../engine.ts';
import { createRingMemory, RingReader, RingWriter } from '../ring.ts';
import { startThread } from '../thread.ts';
import { COMMAND, CONNECT_BYTES, COUNTS, DESCRIPTORS_MOST, LISTEN_BYTES, type StreamMemory } from './messages.ts';
import { type JoinThen, type Stands, standBytes, writeConnect, writeStand } from './orders.ts';
import type { StreamWorkerData } from './worker.ts';

export interface LinkEvents {
  /** Something is in the ring; it is looked at during the call. */
  report(link: WorkerLink, ring: RingReader): void;
  /** The worker ended unasked. What it had open is closed. */
  failed(link: WorkerLink, error: Error): void;
}

/** What all workers have together. */
export type SharedByLinks = Pick<StreamMemory, 'seats' | 'workers' | 'bytes'>;

/** A worker, seen from the main thread: orders go to it, reports come from it. */
export class WorkerLink {
  /** Among those that run. */
  readonly place: number;
  readonly counts: Float64Array;
  readonly #events: LinkEvents;
  readonly #memory: StreamMemory;
  readonly #commands: RingWriter;
  readonly #reports: RingReader;
  readonly #bell = new WakeUp();
  readonly #owned: Uint8Array;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  /** What the ring had no room for. */
  #waiting: (() => boolean)[] = [];
  #draining = false;
  #flushing = false;
  /** It was told to end, or has ended. */
  #ended = false;
  #gone = false;

  constructor(place: number, shared: SharedByLinks, events: LinkEvents) {
    this.place = place;
    this.#events = events;
    this.#memory = {
      commands: createRingMemory(COMMAND_BYTES),
      reports: createRingMemory(REPORT_BYTES),
      ...shared,
      own: place,
      counts: new SharedArrayBuffer(COUNTS * 8),
      owned: new SharedArrayBuffer(DESCRIPTORS_MOST),
    };
    this.counts = new Float64Array(this.#memory.counts);
    this.#owned = new Uint8Array(this.#memory.owned);
    this.#commands = new RingWriter(this.#memory.commands);
    this.#reports = new RingReader(this.#memory.reports);
    const data: StreamWorkerData = { memory: this.#memory, bell: this.#bell.fd.number };
    this.#worker = startThread('./worker', import.meta.url, 'culvert streams', data);
    let failure = new Error('a worker of streams ended');
    this.#worker.on('error', (error: Error) => {
      failure = error;
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        resolve();
        this.#exit(failure);
      });
    });
    if (running.size === 0) process.on('exit', stopAll);
    running.add(this);
    this.#drain();
  }

  listen(listener: number, descriptor: number, streams: number, seat: number, kind: number): void {
    this.#put(COMMAND.listen, listener, LISTEN_BYTES, (ring, at) => {
      ring.setWord(at, descriptor);
      ring.setWord(at + 4, streams);
      ring.setWord(at + 8, seat);
      ring.setWord(at + 12, kind);
    });
  }

  /** It will be reported as unlistened. */
  unlisten(listener: number, cut: boolean): void {
    this.#put(COMMAND.unlisten, listener, 8, (ring, at) => ring.setWord(at, cut ? 1 : 0));
  }

  /** Throws SystemError for a path that is too long. */
  connect(stream: StreamId, spec: ConnectSpec, then: JoinThen): void {
    const { first } = then;
    this.#put(COMMAND.connect, stream, CONNECT_BYTES + first.length, (ring, at) => writeConnect(ring, at, spec, then));
  }

  /** Throws SystemError for a path that is too long. */
  stand(listener: number, stands: Stands): void {
    this.#put(COMMAND.stand, listener, standBytes(stands), (ring, at) => writeStand(ring, at, stands));
  }

  /** It will be reported as told. */
  tell(question: number): void {
    this.#put(COMMAND.tell, question, 0, nothing);
  }

  read(handle: number): void {
    this.#put(COMMAND.read, handle, 0, nothing);
  }

  /** `packet` may be reused by the caller as soon as this returns. */
  write(handle: number, packet: Uint8Array): void {
    for (let from = 0; from < packet.length; from += WRITE_MOST) {
      const part = packet.slice(from, from + WRITE_MOST);
      this.#put(COMMAND.write, handle, 8 + part.length, (ring, at) => {
        ring.setWord(at, part.length);
        ring.bytes.set(part, at + 8);
      });
    }
  }

  join(a: number, b: number, service: number, idle: Millis): void {
    this.#put(COMMAND.join, a, 24, (ring, at) => {
      ring.setNumber(at, b);
      ring.setWord(at + 8, service);
      ring.setNumber(at + 16, idle);
    });
  }

  close(handle: number): void {
    this.#put(COMMAND.close, handle, 0, nothing);
  }

  /** It will be reported as released. */
  release(handle: number): void {
    this.#put(COMMAND.release, handle, 0, nothing);
  }

  /** What was released: it is the main thread's from here on. */
  take(descriptor: number): void {
    this.#owned[descriptor] = 0;
  }

  /** It is the worker's from here on, though it hears of it later. */
  adopt(handle: number, descriptor: number): void {
    this.#owned[descriptor] = 1;
    this.#put(COMMAND.adopt, handle, 8, (ring, at) => ring.setWord(at, descriptor));
  }

  /** Everything that the worker has is closed; it reports no more. */
  async stop(): Promise<void> {
    this.stopNow();
    await this.#exited;
  }

  /** Does not wait until it is done. */
  stopNow(): void {
    this.#ended = true;
    this.#put(COMMAND.stop, 0, 0, nothing);
    this.#flush();
  }

  #put(kind: number, id: number, bytes: number, fill: Fill): void {
    if (this.#waiting.length > 0 || !this.#write(kind, id, bytes, fill)) {
      this.#waiting.push(() => this.#write(kind, id, bytes, fill));
    }
    // Orders that come of reports go out together.
    if (this.#draining || this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(this.#flush);
  }

  #write(kind: number, id: number, bytes: number, fill: Fill): boolean {
    const at = this.#commands.begin(kind, id, bytes);
    if (at < 0) return false;
    fill(this.#commands, at);
    this.#commands.send();
    return true;
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    if (this.#waiting.length > 0) {
      const unsent = this.#waiting.findIndex((write) => !write());
      this.#waiting = unsent < 0 ? [] : this.#waiting.slice(unsent);
    }
    // After its end the bell's number may be somebody else's.
    if (!this.#gone && this.#commands.takeSleeper()) this.#bell.ring();
    if (this.#waiting.length === 0 || this.#gone) return;
    this.#flushing = true;
    setTimeout(this.#flush, 1);
  };

  /** Reports, in portions, so that timers and packets have their turn too. */
  readonly #drain = (): void => {
    this.#draining = true;
    let left = PORTION;
    while (left > 0 && this.#hear()) left--;
    this.#draining = false;
    this.#flush();
    if (this.#ended) return;
    if (left > 0 && this.#reports.sleep()) this.#reports.whenNotified(this.#drain);
    else setImmediate(this.#drain);
  };

  /** One report; false when there is none. */
  #hear(): boolean {
    if (this.#ended || !this.#reports.next()) return false;
    try {
      this.#events.report(this, this.#reports);
    } finally {
      this.#reports.release();
    }
    return true;
  }

  #exit(failure: Error): void {
    running.delete(this);
    if (running.size === 0) process.removeListener('exit', stopAll);
    const unasked = !this.#ended;
    // Its last words.
    while (this.#hear());
    this.#ended = true;
    this.#gone = true;
    this.#bell.fd.close();
    // A worker that ended by itself has closed what it knew of; one that was ended by others could not.
    for (let number = this.#owned.indexOf(1); number >= 0; number = this.#owned.indexOf(1, number + 1)) {
      const fd = new Fd(number, 'descriptor of a worker that is gone');
      // What was under way is lost, and must not look complete to anybody.
      if (unasked) resetWhenClosed(fd);
      fd.close();
    }
    if (unasked) this.#events.failed(this, failure);
  }
}

type Fill = (ring: RingWriter, at: number) => void;

function nothing(): void {}

/** A process does not end before its threads, and one that waits for the kernel does not see that it is to end. */
const running = new Set<WorkerLink>();

function stopAll(): void {
  for (const link of running) link.stopNow();
}

const KIB = 1024;
const COMMAND_BYTES = 512 * KIB;
const REPORT_BYTES = 1024 * KIB;
const WRITE_MOST = 64 * KIB;
const PORTION = 256;
