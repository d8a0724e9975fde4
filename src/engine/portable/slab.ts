/**
 * Room for packets that must be built. A region is handed out once and never again, because the kernel may refuse a datagram for now and
 * Node then reads it later; a full slab is left to the garbage collector together with the packets that still point into it.
 */
export class Slab {
  #buffer = freshBuffer();
  #used = 0;

  take(length: number): Uint8Array {
    if (this.#used + length > SLAB_BYTES) {
      this.#buffer = freshBuffer();
      this.#used = 0;
    }
    const room = new Uint8Array(this.#buffer, this.#used, length);
    this.#used += length;
    return room;
  }

  copy(packet: Uint8Array): Uint8Array {
    const copy = this.take(packet.length);
    copy.set(packet);
    return copy;
  }
}

/** Some 1500 small packets or 4 of the largest: one allocation for many, and not much held by a straggler. */
const SLAB_BYTES = 256 * 1024;

function freshBuffer(): ArrayBufferLike {
  return Buffer.allocUnsafeSlow(SLAB_BYTES).buffer;
}
