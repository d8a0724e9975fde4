import { formatAddress } from '../../net/address.ts';
import { AF_INET } from '../../sys/sockaddr.ts';
import { type RingMemory, RingReader, RingWriter } from './ring.ts';

/**
 * Packets that go up, from one worker to the main thread, which is woken when it sleeps. A message has the socket's place for its kind, its
 * generation for its id, and this body:
 *
 *   size of the payload:4   sockaddr:28   family of the address that it was sent to:4 (0 where nobody said)   that address:16   −:4   payload
 */

/** The worker's side. */
export class MissWriter {
  readonly #ring: RingWriter;

  constructor(memory: RingMemory) {
    this.#ring = new RingWriter(memory);
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
    const ring = this.#ring;
    const at = ring.begin(place, generation, PAYLOAD + length);
    if (at < 0) return false;
    const { words } = from;
    ring.setWord(at, length);
    for (let n = 0; n < SOCKADDR_WORDS; n++) ring.setWord(at + ENDS + 4 * n, words[sender + n] ?? 0);
    ring.setWord(at + ENDS + LOCAL, local < 0 ? 0 : (words[sender] ?? 0) & 0xffff);
    for (let n = 0; local >= 0 && n < 4; n++) ring.setWord(at + ENDS + LOCAL + 4 + 4 * n, words[local + n] ?? 0);
    ring.bytes.set(from.bytes.subarray(payload, payload + length), at + PAYLOAD);
    ring.send();
    return true;
  }

  /** To be called after one write or many. */
  wakeReader(): void {
    if (this.#ring.takeSleeper()) this.#ring.notify();
  }
}

/** What a message holds; the payload is a copy. `ends`: the sockaddr, and behind it what was said of our address. */
export type MissHandler = (place: number, generation: number, ends: DataView, payload: Buffer) => void;

/** The address that it was sent to; undefined where nobody said. */
export function localAddressIn(ends: DataView): string | undefined {
  const family = ends.getUint32(LOCAL, true);
  if (family === 0) return undefined;
  return formatAddress(new Uint8Array(ends.buffer, ends.byteOffset + LOCAL + 4, family === AF_INET ? 4 : 16));
}

/** The main thread's side. */
export class MissReader {
  readonly #ring: RingReader;
  readonly #handle: MissHandler;
  #closed = false;

  constructor(memory: RingMemory, handle: MissHandler) {
    this.#ring = new RingReader(memory);
    this.#handle = handle;
    this.#sleep();
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.#closed = true;
    this.#ring.wakeUp();
    this.#ring.notify();
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
    const ring = this.#ring;
    if (!ring.next()) return false;
    const { kind, id, body } = ring;
    const payload = Buffer.allocUnsafe(ring.word(body));
    payload.set(ring.bytes.subarray(body + PAYLOAD, body + PAYLOAD + payload.length));
    const ends = new DataView(ring.view.buffer.slice(body + ENDS, body + PAYLOAD));
    ring.release();
    this.#handle(kind, id, ends, payload);
    return true;
  }

  #sleep(): void {
    if (this.#ring.sleep()) this.#ring.whenNotified(this.#drain);
    else setImmediate(this.#drain);
  }
}

/** In the body, in bytes. */
const ENDS = 4;
const PAYLOAD = 56;
/** In `ends`. */
const LOCAL = 28;
const SOCKADDR_WORDS = 7;
const PORTION = 256;
