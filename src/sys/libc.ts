import { errno, type Loaded, loadLibrary } from './ffi.ts';

/** What we call of libc. Pointers are addresses as numbers; −1 means failure, and errno says which. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: number, size: number): number;
  connect(fd: number, address: number, size: number): number;
  getsockname(fd: number, address: number, size: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, size: number): number;
  getsockopt(fd: number, level: number, name: number, value: number, size: number): number;
  sendto(fd: number, bytes: Uint8Array, size: number, flags: number, address: number, addressSize: number): number;
  sendmsg(fd: number, message: number, flags: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, count: number, timeout: number): number;
  eventfd(value: number, flags: number): number;
  read(fd: number, bytes: number, size: number): number;
  write(fd: number, bytes: number, size: number): number;
  close(fd: number): number;
  if_nametoindex(name: string): number;
  fcntl(fd: number, command: number, argument: number): number;
  mmap(address: number, size: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, size: number): number;
  syscall(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
}

/** libc of this process, glibc or musl; loaded once a thread. */
export function loadLibc(): Loaded<Libc> {
  loaded ??= loadLibrary<Libc>([null], {
    socket: 'int socket(int family, int type, int protocol)',
    bind: 'int bind(int fd, uintptr_t address, uint32_t size)',
    connect: 'int connect(int fd, uintptr_t address, uint32_t size)',
    getsockname: 'int getsockname(int fd, uintptr_t address, uintptr_t size)',
    setsockopt: 'int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t size)',
    getsockopt: 'int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t size)',
    sendto: 'long sendto(int fd, void *bytes, size_t size, int flags, uintptr_t address, uint32_t addressSize)',
    sendmsg: 'long sendmsg(int fd, uintptr_t message, int flags)',
    recvmmsg: 'int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, uintptr_t timeout)',
    epoll_create1: 'int epoll_create1(int flags)',
    epoll_ctl: 'int epoll_ctl(int epoll, int operation, int fd, uintptr_t event)',
    epoll_wait: 'int epoll_wait(int epoll, uintptr_t events, int count, int timeout)',
    eventfd: 'int eventfd(uint32_t value, int flags)',
    read: 'long read(int fd, uintptr_t bytes, size_t size)',
    write: 'long write(int fd, uintptr_t bytes, size_t size)',
    close: 'int close(int fd)',
    if_nametoindex: 'unsigned int if_nametoindex(const char *name)',
    fcntl: 'int fcntl(int fd, int command, long argument)',
    mmap: 'long mmap(uintptr_t address, size_t size, int protection, int flags, int fd, long offset)',
    munmap: 'int munmap(uintptr_t address, size_t size)',
    syscall: 'long syscall(long number, long a, long b, long c, long d, long e, long f)',
  });
  return loaded;
}

/** For whoever made sure before that it is there. */
export function libc(): Libc {
  const answer = loadLibc();
  if (!answer.ok) throw new Error(`libc: ${answer.detail}`);
  return answer.functions;
}

/**
 * sendmmsg(2), −errno for failure. Past libc, because musl's takes a call to the kernel for each message: it copies them, for the sake of two
 * fields whose upper halves we keep zero ourselves.
 */
export function sendmmsg(calls: Libc, fd: number, messages: number, count: number, flags: number): number {
  const sent = calls.syscall(SENDMMSG, fd, messages, count, flags, 0, 0);
  return sent < 0 ? -errno() : sent;
}

let loaded: Loaded<Libc> | undefined;

/** arm64, riscv64 and loong64 share one table. */
const SENDMMSG = process.arch === 'x64' ? 307 : 269;
