import { type Loaded, loadLibrary } from './ffi.ts';

/** What streams need of libc beyond `Libc`. Pointers are addresses as numbers; −1 means failure, and errno says which. */
export interface StreamCalls {
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: number, size: number, flags: number): number;
  connect(fd: number, address: number, size: number): number;
  recv(fd: number, bytes: number, size: number, flags: number): number;
  send(fd: number, bytes: number, size: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  splice(from: number, fromOffset: number, to: number, toOffset: number, size: number, flags: number): number;
  pipe2(fds: number, flags: number): number;
}

function loadStreamCalls(): Loaded<StreamCalls> {
  loaded ??= loadLibrary<StreamCalls>([null], {
    listen: 'int listen(int fd, int backlog)',
    accept4: 'int accept4(int fd, uintptr_t address, uintptr_t size, int flags)',
    connect: 'int connect(int fd, uintptr_t address, uint32_t size)',
    recv: 'long recv(int fd, uintptr_t bytes, size_t size, int flags)',
    send: 'long send(int fd, uintptr_t bytes, size_t size, int flags)',
    shutdown: 'int shutdown(int fd, int how)',
    splice: 'long splice(int from, uintptr_t fromOffset, int to, uintptr_t toOffset, size_t size, uint32_t flags)',
    pipe2: 'int pipe2(uintptr_t fds, int flags)',
  });
  return loaded;
}

/** For whoever made sure before that they are there. */
export function streamCalls(): StreamCalls {
  const answer = loadStreamCalls();
  if (!answer.ok) throw new Error(`libc: ${answer.detail}`);
  return answer.functions;
}

let loaded: Loaded<StreamCalls> | undefined;
