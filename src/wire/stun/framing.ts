import { HEADER_BYTES, MAGIC_COOKIE, MESSAGE_BYTES_MAX } from './header.ts';
import { padded } from './wire-bytes.ts';

/** Why a byte stream cannot be cut into messages any further: there is no way back into step, so the connection is over. */
export type FramingFault = 'not-stun' | 'no-magic-cookie' | 'bad-length';

/** A whole message; or nothing more until the next chunk; or a stream that is beyond help. */
export type Frame = Uint8Array | 'need-more' | { readonly fault: FramingFault };

/**
 * Cuts a TCP or TLS stream into STUN and ChannelData messages (RFC 8489 §6.2.2, RFC 8656 §12.5; the latter come with their padding).
 * Call push with a chunk, then next until it says 'need-more'.
 *
 * A message that lies whole in a chunk is a view into it. One that spans chunks is collected in a buffer of its own, which grows by
 * doubling with what has arrived, not with what a header promises, up to one message: slow bytes cost neither time nor memory.
 */
export class StreamFramer {
  #chunk: Uint8Array = NOTHING;
  /** Where the rest of the chunk begins. */
  #offset = 0;
  /** The beginning of a message whose rest is to come; `#collected` bytes of it are in use. */
  #partial: Uint8Array = NOTHING;
  #collected = 0;
  #fault: { readonly fault: FramingFault } | undefined = undefined;

  /** `chunk` must stay as it is until next() has said 'need-more'. Throws FramerMisuseError before that. */
  push(chunk: Uint8Array): void {
    if (this.#fault !== undefined) return;
    if (this.#offset < this.#chunk.length) throw new FramerMisuseError();
    this.#chunk = chunk;
    this.#offset = 0;
  }

  next(): Frame {
    if (this.#fault !== undefined) return this.#fault;
    return this.#collected > 0 ? this.#nextAcrossChunks() : this.#nextInChunk();
  }

  /** Bytes of an unfinished message that are held here. */
  get pendingBytes(): number {
    return this.#collected;
  }

  #nextInChunk(): Frame {
    const available = this.#chunk.length - this.#offset;
    const size = leastSize(this.#chunk, this.#offset, available);
    if (typeof size === 'string') return this.#fail(size);
    if (size > available) {
      this.#collect(available);
      return 'need-more';
    }
    const message = new Uint8Array(this.#chunk.buffer, this.#chunk.byteOffset + this.#offset, size);
    this.#consume(size);
    return message;
  }

  #nextAcrossChunks(): Frame {
    for (;;) {
      // Never more than is sure to belong to this message.
      const size = leastSize(this.#partial, 0, this.#collected);
      if (typeof size === 'string') return this.#fail(size);
      if (size === this.#collected) break;
      this.#collect(Math.min(size - this.#collected, this.#chunk.length - this.#offset));
      if (this.#collected < size) return 'need-more';
    }
    const message = this.#partial.subarray(0, this.#collected);
    // Given away: whoever got it may still be using it when the next one begins.
    this.#partial = NOTHING;
    this.#collected = 0;
    return message;
  }

  /** Moves `count` bytes from the chunk behind those collected. */
  #collect(count: number): void {
    const total = this.#collected + count;
    if (total > this.#partial.length) {
      const size = Math.max(total, this.#partial.length * 2, PARTIAL_BYTES_MIN);
      const grown = new Uint8Array(Math.min(size, MESSAGE_BYTES_MAX));
      grown.set(this.#partial);
      this.#partial = grown;
    }
    this.#partial.set(this.#chunk.subarray(this.#offset, this.#offset + count), this.#collected);
    this.#collected = total;
    this.#consume(count);
  }

  #consume(count: number): void {
    this.#offset += count;
    if (this.#offset < this.#chunk.length) return;
    // Lets go of the receive buffer.
    this.#chunk = NOTHING;
    this.#offset = 0;
  }

  #fail(fault: FramingFault): Frame {
    this.#fault = { fault };
    this.#chunk = NOTHING;
    this.#partial = NOTHING;
    this.#collected = 0;
    return this.#fault;
  }
}

/** Thrown by push while the last chunk is not used up: what is left of it would be lost. */
export class FramerMisuseError extends Error {
  override readonly name = 'FramerMisuseError';
  readonly code = 'ERR_FRAMER_MISUSE';

  constructor() {
    super('push() before next() returned need-more');
  }
}

/**
 * How many bytes the message at `offset` has at least, as far as its first `available` bytes tell: it is whole when that is no more than
 * there are. The cookie is looked at early, so that a stranger does not make us wait for 64 KiB.
 */
function leastSize(bytes: Uint8Array, offset: number, available: number): number | FramingFault {
  if (available < 4) return 4;
  const first = bytes[offset] ?? 0;
  const length = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  // RFC 8656 §12: the first two bits tell STUN (00) from ChannelData (01).
  if (first > 0b0111_1111) return 'not-stun';
  if (first > 0b0011_1111) return 4 + padded(length);
  if (length % 4 !== 0) return 'bad-length';
  if (available < 8) return 8;
  for (let index = 0; index < 4; index++) {
    if (bytes[offset + 4 + index] !== COOKIE_BYTES[index]) return 'no-magic-cookie';
  }
  return HEADER_BYTES + length;
}

const COOKIE_BYTES: readonly number[] = [24, 16, 8, 0].map((shift) => (MAGIC_COOKIE >>> shift) & 0xff);
const NOTHING: Uint8Array = new Uint8Array(0);
const PARTIAL_BYTES_MIN = 256;
