/**
 * What held streams are read into. Most are silent most of the time, so all share one buffer, out of which bytes are copied; who has much to
 * say is lent a large one of his own, out of which they are written as they are. Left to itself Node allocates 64 KiB for every read.
 */
export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(SHARED_SIZE);
  readonly #free: Buffer[] = [];
  #lent = 0;

  /** Undefined when as many are out as may be: the shared one does too, only slower. */
  lend(): Buffer | undefined {
    if (this.#lent >= MAX_LENT) return undefined;
    this.#lent += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(LENT_SIZE);
  }

  /** Nothing may point into it any more, unless it is to be `lost`. */
  takeBack(buffer: Buffer, lost = false): void {
    this.#lent -= 1;
    if (!lost && this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}

const SHARED_SIZE = 64 * 1024;
/** More system calls below, colder caches above: between 64 KiB and 1 MiB this is the fastest (measured). */
const LENT_SIZE = 256 * 1024;
/** 32 MiB in all. */
const MAX_LENT = 128;
const MAX_FREE = 8;
