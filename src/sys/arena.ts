import { addressOf } from './ffi.ts';

/**
 * Memory that the kernel is given the address of. It lives as long as the arena, which must be held for as long as a pointer into it
 * can be used. Filled once, from the bottom; nothing is given back.
 */
export class Arena {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly address: number;
  readonly #size: number;
  #used = 0;

  constructor(size: number) {
    let buffer = new ArrayBuffer(size);
    // All pointers share their upper word, so that writing one is two stores of 32 bits. The next block lies elsewhere.
    if (crossesWord(buffer)) buffer = elsewhere(buffer);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.address = addressOf(buffer);
    this.#size = size;
  }

  /** Offset of `size` bytes of zeros. */
  take(size: number, alignment = 8): number {
    const offset = Math.ceil(this.#used / alignment) * alignment;
    if (offset + size > this.#size) throw new RangeError(`the arena has no ${size} bytes left`);
    this.#used = offset + size;
    return offset;
  }

  /** Writes the address of `to` at `offset`; both are offsets here. */
  point(offset: number, to: number): void {
    this.view.setBigUint64(offset, BigInt(this.address + to), true);
  }
}

function crossesWord(buffer: ArrayBuffer): boolean {
  const first = addressOf(buffer);
  return Math.floor(first / WORD) !== Math.floor((first + buffer.byteLength) / WORD);
}

/** `held` keeps its place meanwhile. */
function elsewhere(held: ArrayBuffer): ArrayBuffer {
  const buffer = new ArrayBuffer(held.byteLength);
  return crossesWord(buffer) ? elsewhere(buffer) : buffer;
}

const WORD = 2 ** 32;
