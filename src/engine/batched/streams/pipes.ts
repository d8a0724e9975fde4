import { closePipe, openPipe, type Pipe } from '../../../sys/pipe.ts';
import type { Headroom } from '../../portable/headroom.ts';

/**
 * Pipes for those streams that have bytes on their way. A stream gives its pipe back as soon as it is empty, so streams that are silent have
 * none. With many in use each may be filled less, which bounds what waits in the kernel for slow readers.
 */
export class Pipes {
  readonly #spare: Pipe[] = [];
  readonly #owned: Uint8Array;
  readonly #headroom: Headroom;
  #used = 0;
  /** After a refusal it is not asked at every chunk. */
  #refusals = 0;

  /** `owned`: see StreamMemory. */
  constructor(owned: Uint8Array, headroom: Headroom) {
    this.#owned = owned;
    this.#headroom = headroom;
  }

  /** Undefined: copy. */
  take(): Pipe | undefined {
    if (this.#used >= MOST) return undefined;
    const pipe = this.#spare.pop() ?? this.#open();
    if (pipe !== undefined) this.#used += 1;
    return pipe;
  }

  /** An empty one. */
  give(pipe: Pipe): void {
    this.#used -= 1;
    if (this.#spare.length < SPARE) this.#spare.push(pipe);
    else this.#close(pipe);
  }

  /** One that is not empty cannot be used again. */
  discard(pipe: Pipe): void {
    this.#used -= 1;
    this.#close(pipe);
  }

  /** Bytes that one stream may have in its pipe. */
  get share(): number {
    return Math.max(SHARE_MIN, Math.min(PIPE_BYTES, TOTAL_BYTES / Math.max(1, this.#used)));
  }

  close(): void {
    for (const pipe of this.#spare.splice(0)) this.#close(pipe);
  }

  #open(): Pipe | undefined {
    if (this.#refusals > 0) {
      this.#refusals -= 1;
      return undefined;
    }
    const pipe = this.#headroom.allows(2) ? openPipe(PIPE_BYTES) : undefined;
    if (pipe !== undefined && pipe.size >= SMALLEST) {
      this.#own(pipe, 1);
      return pipe;
    }
    // A pipe of a page or two moves less at once than a copy does.
    if (pipe !== undefined) closePipe(pipe);
    this.#refusals = 1000;
    return undefined;
  }

  #close(pipe: Pipe): void {
    this.#own(pipe, 0);
    closePipe(pipe);
  }

  #own(pipe: Pipe, owned: 0 | 1): void {
    this.#owned[pipe.input.number] = owned;
    this.#owned[pipe.output.number] = owned;
  }
}

const KIB = 1024;
/** Measured: 64 and 128 KiB cost a quarter more CPU time for a byte with eight streams, 1 MiB a tenth more. */
const PIPE_BYTES = 256 * KIB;
const SMALLEST = 64 * KIB;
const TOTAL_BYTES = 64 * 1024 * KIB;
const SHARE_MIN = 64 * KIB;
/** In use at once, and kept for later. Each is two descriptors and, empty, 10 KiB of the kernel. */
const MOST = 1024;
const SPARE = 64;
