import { Arena } from './arena.ts';
import { checked, EAGAIN, EBUSY, EINTR, EINVAL, SystemError } from './errno.ts';
import { Fd } from './fd.ts';
import { errno, memoryAt } from './ffi.ts';
import { type Libc, libc } from './libc.ts';
import type { SendBatch } from './send-batch.ts';
import { MSG_DONTWAIT } from './udp-socket.ts';

/**
 * Sends messages from many sockets by one call to the kernel (io_uring, Linux 5.4), where sendmmsg takes a call for each socket. All are
 * done, or refused, before the call returns: nothing is ever under way. Many sandboxes forbid it: the constructor throws SystemError then.
 *
 *   entries, 64 bytes:      0 operation  4 descriptor  16 address of the message  24 one  28 flags  32 its number, which comes back
 *   completions, 16 bytes:  0 its number  8 result
 */
export class SubmissionRing {
  readonly #calls: Libc = libc();
  readonly #fd: Fd;
  readonly #rings: Int32Array;
  readonly #entries: Int32Array;
  readonly #mappings: { readonly address: number; readonly size: number }[] = [];
  readonly #submitTail: number;
  readonly #doneHead: number;
  readonly #doneTail: number;
  readonly #done: number;
  readonly #doneMask: number;
  readonly #mask: number;

  /** `most`: messages of a call, a power of two. */
  constructor(most: number) {
    const parameters = new Arena(128);
    this.#fd = new Fd(
      checked('io_uring_setup', this.#calls.syscall(IO_URING_SETUP, most, parameters.address, 0, 0, 0, 0)),
      'io_uring',
    );
    try {
      const at = (offset: number): number => parameters.view.getUint32(offset, true);
      const size = Math.max(at(SUBMIT_ARRAY) + most * 4, at(DONE_ENTRIES) + at(DONE_COUNT) * COMPLETION_BYTES);
      this.#rings = new Int32Array(this.#map(size, 0));
      this.#entries = new Int32Array(this.#map(most * ENTRY_BYTES, ENTRIES_OFFSET));
      this.#submitTail = at(SUBMIT_TAIL) >> 2;
      this.#doneHead = at(DONE_HEAD) >> 2;
      this.#doneTail = at(DONE_TAIL) >> 2;
      this.#done = at(DONE_ENTRIES) >> 2;
      this.#doneMask = at(DONE_COUNT) - 1;
      this.#mask = most - 1;
      // Entry n is always at place n of the ring.
      for (let n = 0; n < most; n++) this.#rings[(at(SUBMIT_ARRAY) >> 2) + n] = n;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sends all messages of the batch, each from its descriptor; `results` gets the bytes of each, or −errno. */
  sendAll(batch: SendBatch, fds: Int32Array, results: Int32Array): void {
    const count = batch.messages;
    const tail = this.#rings[this.#submitTail] ?? 0;
    for (let n = 0; n < count; n++) {
      const at = ((tail + n) & this.#mask) * (ENTRY_BYTES / 4);
      const address = batch.address(n);
      const entries = this.#entries;
      entries[at] = IORING_OP_SENDMSG;
      entries[at + 1] = fds[n] ?? -1;
      entries[at + 4] = address % WORD;
      entries[at + 5] = Math.floor(address / WORD);
      entries[at + 6] = 1;
      entries[at + 7] = MSG_DONTWAIT;
      entries[at + 8] = n;
      results[n] = 0;
    }
    Atomics.store(this.#rings, this.#submitTail, tail + count);
    for (let left = count, attempts = 0; left > 0; attempts++) {
      const taken = this.#calls.syscall(IO_URING_ENTER, this.#fd.number, left, 0, 0, 0, 0);
      if (taken > 0) left -= taken;
      else if (taken === 0 || !PASSING.has(errno()) || attempts > MOST_ATTEMPTS) {
        throw new SystemError('io_uring_enter', taken === 0 ? EINVAL : errno());
      }
    }
    this.#collect(results);
  }

  close(): void {
    for (const { address, size } of this.#mappings) this.#calls.munmap(address, size);
    this.#fd.close();
  }

  #collect(results: Int32Array): void {
    const rings = this.#rings;
    const tail = Atomics.load(rings, this.#doneTail);
    let head = rings[this.#doneHead] ?? 0;
    for (; head !== tail; head = (head + 1) | 0) {
      const at = this.#done + (head & this.#doneMask) * (COMPLETION_BYTES / 4);
      results[rings[at] ?? 0] = rings[at + 2] ?? 0;
    }
    Atomics.store(rings, this.#doneHead, head);
  }

  #map(size: number, offset: number): ArrayBuffer {
    const flags = MAP_SHARED | MAP_POPULATE;
    const address = checked('mmap', this.#calls.mmap(0, size, PROT_READ | PROT_WRITE, flags, this.#fd.number, offset));
    this.#mappings.push({ address, size });
    return memoryAt(address, size);
  }
}

const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
const IORING_OP_SENDMSG = 9;
const ENTRIES_OFFSET = 0x10000000;
const ENTRY_BYTES = 64;
const COMPLETION_BYTES = 16;
/** struct io_uring_params, 120 bytes. */
const SUBMIT_TAIL = 44;
const SUBMIT_ARRAY = 64;
const DONE_HEAD = 80;
const DONE_TAIL = 84;
const DONE_COUNT = 4;
const DONE_ENTRIES = 100;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_POPULATE = 0x8000;
const WORD = 2 ** 32;
/** A signal, and memory that the kernel has not got right now. */
const PASSING: ReadonlySet<number> = new Set([EINTR, EAGAIN, EBUSY]);
const MOST_ATTEMPTS = 1000;
