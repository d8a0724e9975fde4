import { formatAddress } from '../../net/address.ts';
import { AF_INET } from '../../sys/sockaddr.ts';

/**
 * Packets that go up, from one worker to the main thread, which is woken when it sleeps. Records of 8-byte units:
 *
 *   size of the record   size of the payload   place and generation of the socket   sockaddr (28 bytes)
 *   family of the address that it was sent to, 0 where nobody said   that address (16 bytes)   payload
 *
 * The state, in words: where the next record will be written, where the next will be read (the same: empty), whether the reader sleeps.
 * A record lies in one piece: where it would not fit before the end, a size of −1 says that it is at the beginning.
 */
export interface MissMemory {
  readonly state: SharedArrayBuffer;
  readonly records: SharedArrayBuffer;
}

export function createMissMemory(bytes: number): MissMemory {
  return { state: new SharedArrayBuffer(16), records: new SharedArrayBuffer(bytes) };
}

/** The worker's side. */
export class MissWriter {
  readonly #state: Int32Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor({ state, records }: MissMemory) {
    this.#state = new Int32Array(state);
    this.#words = new Int32Array(records);
    this.#bytes = new Uint8Array(records);
  }

  /** False when there is no room. In words: `sender`, of a sockaddr; `local`, of the address that it was sent to, −1 where that is not known. */
  write(
    place: number,
    generation: number,
    from: { readonly words: Int32Array; readonly bytes: Uint8Array },
    sender: number,
    local: number,
    payload: number,
    length: number,
  ): boolean {
    const size = (HEADER_BYTES + length + 7) & ~7;
    const at = this.#room(size);
    if (at < 0) return false;
    const words = this.#words;
    const record = at >> 2;
    words[record] = size;
    words[record + 1] = length;
    words[record + 2] = place;
    words[record + 3] = generation;
    for (let n = 0; n < 7; n++) words[record + 4 + n] = from.words[sender + n] ?? 0;
    words[record + 11] = local < 0 ? 0 : (from.words[sender] ?? 0) & 0xffff;
    for (let n = 0; local >= 0 && n < 4; n++) words[record + 12 + n] = from.words[local + n] ?? 0;
    this.#bytes.set(from.bytes.subarray(payload, payload + length), at + HEADER_BYTES);
    const next = at + size;
    Atomics.store(this.#state, WRITTEN, next === this.#bytes.length ? 0 : next);
    return true;
  }

  /** To be called after one write or many. */
  wakeReader(): void {
    if (Atomics.load(this.#state, SLEEPING) === 0) return;
    Atomics.store(this.#state, SLEEPING, 0);
    Atomics.notify(this.#state, SLEEPING);
  }

  /** Offset of so many free bytes in one piece, −1 without. A full ring would look like an empty one, so a unit stays free. */
  #room(size: number): number {
    const written = Atomics.load(this.#state, WRITTEN);
    const read = Atomics.load(this.#state, READ);
    if (written < read) return written + size < read ? written : -1;
    const atEnd = this.#bytes.length - written;
    if (size < atEnd || (size === atEnd && read > 0)) return written;
    if (size >= read) return -1;
    this.#words[written >> 2] = CONTINUED;
    return 0;
  }
}

/** What a record holds; the payload is a copy. `ends`: the sockaddr, and behind it, at LOCAL, what was said of our address. */
export type MissHandler = (place: number, generation: number, ends: DataView, payload: Buffer) => void;

/** The address that it was sent to; undefined where nobody said. */
export function localAddressIn(ends: DataView): string | undefined {
  const family = ends.getUint32(LOCAL, true);
  if (family === 0) return undefined;
  return formatAddress(new Uint8Array(ends.buffer, ends.byteOffset + LOCAL + 4, family === AF_INET ? 4 : 16));
}

/** The main thread's side. */
export class MissReader {
  readonly #state: Int32Array;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #handle: MissHandler;
  #closed = false;

  constructor({ state, records }: MissMemory, handle: MissHandler) {
    this.#state = new Int32Array(state);
    this.#words = new Int32Array(records);
    this.#view = new DataView(records);
    this.#bytes = new Uint8Array(records);
    this.#handle = handle;
    this.#sleep();
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.#closed = true;
    Atomics.store(this.#state, SLEEPING, 0);
    Atomics.notify(this.#state, SLEEPING);
  }

  readonly #drain = (): void => {
    // In portions, so that timers and streams have their turn under a flood.
    for (let n = 0; n < PORTION && !this.#closed; n++) {
      if (this.#next()) continue;
      this.#sleep();
      return;
    }
    if (!this.#closed) setImmediate(this.#drain);
  };

  #next(): boolean {
    let at = Atomics.load(this.#state, READ);
    if (at === Atomics.load(this.#state, WRITTEN)) return false;
    if (this.#words[at >> 2] === CONTINUED) at = 0;
    const record = at >> 2;
    const payload = Buffer.allocUnsafe(this.#words[record + 1] ?? 0);
    payload.set(this.#bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + payload.length));
    const ends = new DataView(this.#view.buffer.slice(at + 16, at + HEADER_BYTES));
    const [place = 0, generation = 0] = this.#words.subarray(record + 2, record + 4);
    const next = at + (this.#words[record] ?? 0);
    Atomics.store(this.#state, READ, next === this.#bytes.length ? 0 : next);
    this.#handle(place, generation, ends, payload);
    return true;
  }

  /** First it says that it sleeps, then it looks once more: a writer that did not see it asleep had written before. */
  #sleep(): void {
    Atomics.store(this.#state, SLEEPING, 1);
    if (Atomics.load(this.#state, READ) !== Atomics.load(this.#state, WRITTEN)) {
      Atomics.store(this.#state, SLEEPING, 0);
      setImmediate(this.#drain);
      return;
    }
    const woken = Atomics.waitAsync(this.#state, SLEEPING, 1);
    if (woken.async) void woken.value.then(this.#drain);
    else setImmediate(this.#drain);
  }
}

const WRITTEN = 0;
const READ = 1;
const SLEEPING = 2;
/** In `ends`, in bytes. */
const LOCAL = 28;
const HEADER_BYTES = 64;
const CONTINUED = -1;
const PORTION = 256;
