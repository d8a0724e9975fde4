import { Arena } from './arena.ts';
import { checked } from './errno.ts';
import { Fd } from './fd.ts';
import { errno } from './ffi.ts';
import { type Libc, libc } from './libc.ts';

/** Watches descriptors for input. Whoever made it may change it while another thread waits on it. */
export class Epoll {
  readonly fd: Fd;
  readonly #event: Arena = new Arena(16);

  constructor() {
    this.fd = new Fd(checked('epoll_create1', libc().epoll_create1(EPOLL_CLOEXEC)), 'epoll');
  }

  /** `tag`: what the wait tells when there is something to read. Throws SystemError. */
  add(fd: Fd, tag: number): void {
    this.#event.view.setUint32(0, EPOLLIN, true);
    this.#event.view.setUint32(TAG_AT, tag, true);
    checked('epoll_ctl', libc().epoll_ctl(this.fd.number, EPOLL_CTL_ADD, fd.number, this.#event.address));
  }

  remove(fd: Fd): void {
    libc().epoll_ctl(this.fd.number, EPOLL_CTL_DEL, fd.number, this.#event.address);
  }
}

/** The other side, in the thread that waits. */
export class EpollWait {
  readonly #calls: Libc = libc();
  readonly #epoll: number;
  readonly #events: Arena;
  readonly #most: number;

  constructor(epoll: number, most: number) {
    this.#epoll = epoll;
    this.#most = most;
    this.#events = new Arena(most * EVENT_BYTES);
  }

  /** How many are ready, −errno. `timeout` in ms; −1 = for ever. */
  wait(timeout: number): number {
    const ready = this.#calls.epoll_wait(this.#epoll, this.#events.address, this.#most, timeout);
    return ready < 0 ? -errno() : ready;
  }

  tag(index: number): number {
    return this.#events.words[(index * EVENT_BYTES + TAG_AT) >> 2] ?? 0;
  }
}

/** Wakes whoever waits, by a descriptor that he watches. */
export class WakeUp {
  readonly fd: Fd;
  readonly #one: Arena = new Arena(8);

  constructor() {
    this.fd = new Fd(checked('eventfd', libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), 'eventfd');
    this.#one.view.setUint32(0, 1, true);
  }

  ring(): void {
    libc().write(this.fd.number, this.#one.address, 8);
  }
}

/** Packed on x86-64 only. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const TAG_AT = process.arch === 'x64' ? 4 : 8;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
