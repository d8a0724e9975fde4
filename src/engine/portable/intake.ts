import { type OnReadOpts, Socket } from 'node:net';
import type { ReadBuffers } from './read-buffers.ts';

/**
 * What comes in at one held stream. Its socket is made with these `options`, stays paused, and is resumed by whoever wants bytes: they go to
 * the one who asked last, and reading stops when he returns false.
 */
export class Intake {
  readonly options: typeof HELD & { readonly onread: OnReadOpts };
  readonly #buffers: ReadBuffers;
  #buffer: Buffer;
  #receiver: Receiver = discard;

  constructor(buffers: ReadBuffers) {
    this.#buffers = buffers;
    this.#buffer = buffers.shared;
    this.options = {
      ...HELD,
      onread: {
        buffer: () => this.#buffer,
        callback: (count, buffer) => this.#receiver(count === buffer.length ? buffer : buffer.subarray(0, count)),
      },
    };
  }

  /** Everything, or the next chunk only: valid during the call. */
  handTo(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /**
   * Writes everything to `sink` from now on. Memory is bounded: nothing more is read until the sink's kernel has taken what was, which is one
   * buffer at most.
   */
  pumpTo(source: Socket, sink: Socket, onBytes: (count: number) => void): void {
    let stalled = false;
    this.#receiver = (chunk) => {
      onBytes(chunk.length);
      const shared = chunk.buffer === this.#buffers.shared.buffer;
      sink.write(shared ? Buffer.from(chunk) : chunk);
      // Nothing waits: the kernel has it all, and the buffer is ours again.
      stalled = sink.writableLength > 0;
      if (!stalled) this.#fit(chunk.length);
      return !stalled;
    };
    sink.on('drain', () => {
      if (!stalled) return;
      stalled = false;
      source.resume();
    });
    source.once('end', () => sink.end());
    source.once('close', () => {
      if (this.#buffer !== this.#buffers.shared) this.#buffers.takeBack(this.#buffer, stalled);
      this.#buffer = this.#buffers.shared;
      this.#receiver = discard;
    });
    source.resume();
  }

  /** The next read is probably like the last. */
  #fit(count: number): void {
    const { shared } = this.#buffers;
    if (this.#buffer === shared) {
      if (count === shared.length) this.#buffer = this.#buffers.lend() ?? shared;
    } else if (count < shared.length / 2) {
      this.#buffers.takeBack(this.#buffer);
      this.#buffer = shared;
    }
  }
}

/** Whether to go on reading. */
type Receiver = (chunk: Uint8Array) => boolean;

/**
 * A socket that reads by `intake` in the place of one that was accepted: Node has that option for sockets that it is asked to make only. A
 * Node whose sockets are other inside goes on with the accepted one, and with a buffer for every read.
 */
export function adopt(accepted: Accepted, intake: Intake): Socket {
  const handle = accepted._handle;
  if (typeof handle?.useUserBuffer !== 'function') {
    const { callback } = intake.options.onread;
    accepted.on('data', (chunk: Buffer) => {
      if (!callback(chunk.length, chunk)) accepted.pause();
    });
    return accepted;
  }
  accepted._handle = null;
  // The types know this option for handles of another kind only.
  const inside = { handle: handle as never, pauseOnCreate: true, readable: true, writable: true };
  const socket = new Socket({ ...intake.options, ...inside });
  // The server counts those that it made.
  socket.once('close', () => accepted.destroy());
  return socket;
}

/** What of the inside of a socket is touched. */
type Accepted = Socket & { _handle?: { useUserBuffer?: unknown } | null };

function discard(): boolean {
  return true;
}

/** With the least mark there is every write that must wait is followed by a 'drain'. */
const HELD = { allowHalfOpen: true, writableHighWaterMark: 1 } as const;
