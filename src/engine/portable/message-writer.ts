import type { Socket } from 'node:net';

/**
 * Writes messages to a stream. On TLS each goes out in a record of its own: Node would put those that wait together into one, and
 * clients exist (coturn's turnutils_uclient) that read one message a record and lose the rest.
 */
export class MessageWriter {
  readonly #socket: Socket;
  readonly #separately: boolean;
  #queue: Buffer[] = [];
  #next = 0;
  #queuedBytes = 0;
  #writing = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#separately = 'encrypted' in socket;
  }

  /** Bytes that the peer has not taken. */
  get waiting(): number {
    return this.#socket.writableLength + this.#queuedBytes;
  }

  /** `message` must not change afterwards. */
  write(message: Buffer): void {
    if (!this.#separately) this.#socket.write(message);
    else if (!this.#writing) this.#writeAlone(message);
    else {
      this.#queue.push(message);
      this.#queuedBytes += message.length;
    }
  }

  /** No more messages: what waits goes out, then the end of the stream. */
  end(): void {
    for (let message = this.#take(); message !== undefined; message = this.#take()) this.#socket.write(message);
    this.#socket.end();
  }

  #writeAlone(message: Buffer): void {
    this.#writing = true;
    this.#socket.write(message, this.#written);
  }

  readonly #written = (): void => {
    this.#writing = false;
    const message = this.#take();
    if (message !== undefined && this.#socket.writable) this.#writeAlone(message);
  };

  #take(): Buffer | undefined {
    const message = this.#queue[this.#next];
    if (message === undefined) {
      this.#queue = [];
      this.#next = 0;
      return undefined;
    }
    this.#next += 1;
    this.#queuedBytes -= message.length;
    // Only what has been read is behind: the array is cut before it grows with the stream.
    if (this.#next >= CUT_AT) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return message;
  }
}

const CUT_AT = 1024;
