/**
 * Messages from one thread to another, in shared memory. Each lies in one piece, in units of 8 bytes:
 *
 *   size of all:4   kind:4   id:8   body ...
 *
 * Where a message would not fit before the end, a size of −1 says that it is at the beginning. The state, in words: where the next will
 * be written, where the next will be read (the same: empty), whether the reader sleeps.
 */
export interface RingMemory {
  readonly state: SharedArrayBuffer;
  readonly messages: SharedArrayBuffer;
}

export function createRingMemory(bytes: number): RingMemory {
  return { state: new SharedArrayBuffer(16), messages: new SharedArrayBuffer(bytes) };
}

/** What both sides see of the messages. Offsets are in bytes. */
abstract class Ring {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  protected readonly state: Int32Array;
  protected readonly words: Int32Array;
  protected readonly numbers: Float64Array;

  constructor({ state, messages }: RingMemory) {
    this.state = new Int32Array(state);
    this.bytes = new Uint8Array(messages);
    this.view = new DataView(messages);
    this.words = new Int32Array(messages);
    this.numbers = new Float64Array(messages);
  }

  word(offset: number): number {
    return this.words[offset >> 2] ?? 0;
  }

  number(offset: number): number {
    return this.numbers[offset >> 3] ?? 0;
  }

  setWord(offset: number, value: number): void {
    this.words[offset >> 2] = value;
  }

  setNumber(offset: number, value: number): void {
    this.numbers[offset >> 3] = value;
  }

  /** Wakes a reader who waits on the memory itself. */
  notify(): void {
    Atomics.notify(this.state, SLEEPING);
  }
}

export class RingWriter extends Ring {
  #next = 0;

  /** Offset of the body of a new message, −1 when there is no room. It is there for the reader once it is sent. */
  begin(kind: number, id: number, bodyBytes: number): number {
    const size = (HEADER_BYTES + bodyBytes + 7) & ~7;
    const at = this.#room(size);
    if (at < 0) return -1;
    this.setWord(at, size);
    this.setWord(at + 4, kind);
    this.setNumber(at + 8, id);
    const next = at + size;
    this.#next = next === this.bytes.length ? 0 : next;
    return at + HEADER_BYTES;
  }

  send(): void {
    Atomics.store(this.state, WRITTEN, this.#next);
  }

  /** True once for a reader that went to sleep before he saw the last message: he has to be woken. */
  takeSleeper(): boolean {
    return Atomics.load(this.state, SLEEPING) === 1 && Atomics.exchange(this.state, SLEEPING, 0) === 1;
  }

  /** Offset of so many free bytes in one piece, −1 without. A full ring would look like an empty one, so a unit stays free. */
  #room(size: number): number {
    const written = Atomics.load(this.state, WRITTEN);
    const read = Atomics.load(this.state, READ);
    if (written < read) return written + size < read ? written : -1;
    const atEnd = this.bytes.length - written;
    if (size < atEnd || (size === atEnd && read > 0)) return written;
    if (size >= read) return -1;
    this.setWord(written, CONTINUED);
    return 0;
  }
}

export class RingReader extends Ring {
  kind = 0;
  id = 0;
  /** Offset and size of the body; the size is rounded up to 8. */
  body = 0;
  bodyBytes = 0;
  #at = 0;
  #size = 0;

  /** The next message; what it holds may be looked at until it is released. */
  next(): boolean {
    let at = Atomics.load(this.state, READ);
    if (at === Atomics.load(this.state, WRITTEN)) return false;
    if (this.word(at) === CONTINUED) at = 0;
    this.#at = at;
    this.#size = this.word(at);
    this.kind = this.word(at + 4);
    this.id = this.number(at + 8);
    this.body = at + HEADER_BYTES;
    this.bodyBytes = this.#size - HEADER_BYTES;
    return true;
  }

  release(): void {
    const next = this.#at + this.#size;
    Atomics.store(this.state, READ, next === this.bytes.length ? 0 : next);
  }

  /** To be said before the last look at the ring, so that no message is overlooked. False: there is one already. */
  sleep(): boolean {
    Atomics.store(this.state, SLEEPING, 1);
    if (Atomics.load(this.state, READ) === Atomics.load(this.state, WRITTEN)) return true;
    Atomics.store(this.state, SLEEPING, 0);
    return false;
  }

  wakeUp(): void {
    Atomics.store(this.state, SLEEPING, 0);
  }

  /** Calls back when a writer notifies the sleeper. */
  whenNotified(callback: () => void): void {
    const woken = Atomics.waitAsync(this.state, SLEEPING, 1);
    if (woken.async) void woken.value.then(callback);
    else setImmediate(callback);
  }
}

const WRITTEN = 0;
const READ = 1;
const SLEEPING = 2;
const HEADER_BYTES = 16;
const CONTINUED = -1;
