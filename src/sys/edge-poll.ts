import { Arena } from './arena.ts';
import { checked } from './errno.ts';
import { Fd } from './fd.ts';
import { errno } from './ffi.ts';
import { type Libc, libc } from './libc.ts';

/**
 * Tells when something changed at a descriptor (edge-triggered), so that each is added once and not touched again however often it is
 * waited for. Of the thread that waits.
 */
export class EdgePoll {
  readonly #fd: Fd;
  readonly #calls: Libc = libc();
  readonly #events: Arena;
  readonly #change: Arena = new Arena(16);
  readonly #most: number;

  /** `most`: events that one wait tells. Throws SystemError. */
  constructor(most: number) {
    this.#most = most;
    this.#events = new Arena(most * EVENT_BYTES);
    this.#fd = new Fd(checked('epoll_create1', this.#calls.epoll_create1(EPOLL_CLOEXEC)), 'epoll');
  }

  /** The events will come under the descriptor's number. False when the kernel has no room. */
  add(fd: number, events: number): boolean {
    return this.#control(EPOLL_CTL_ADD, fd, events | EPOLLET);
  }

  change(fd: number, events: number): boolean {
    return this.#control(EPOLL_CTL_MOD, fd, events | EPOLLET);
  }

  /** Of several threads that wait for the same, one at least is told, as long as there is something. */
  addShared(fd: number): boolean {
    return this.#control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE);
  }

  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** How many events there are, −errno. `timeout` in ms, −1 = for ever. */
  wait(timeout: number): number {
    const ready = this.#calls.epoll_wait(this.#fd.number, this.#events.address, this.#most, timeout);
    return ready < 0 ? -errno() : ready;
  }

  /** Whose event it is. */
  number(index: number): number {
    return this.#events.words[(index * EVENT_BYTES + DATA_AT) >> 2] ?? 0;
  }

  events(index: number): number {
    return this.#events.words[(index * EVENT_BYTES) >> 2] ?? 0;
  }

  get descriptor(): number {
    return this.#fd.number;
  }

  close(): void {
    this.#fd.close();
  }

  #control(operation: number, fd: number, events: number): boolean {
    const { words } = this.#change;
    words[0] = events;
    words[DATA_AT >> 2] = fd;
    return this.#calls.epoll_ctl(this.#fd.number, operation, fd, this.#change.address) === 0;
  }
}

export const EPOLLIN = 0x1;
export const EPOLLPRI = 0x2;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
const EPOLLEXCLUSIVE = 1 << 28;
const EPOLLET = 1 << 31;

/** Packed on x86-64 only. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_AT = process.arch === 'x64' ? 4 : 8;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
