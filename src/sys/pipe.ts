import { Arena } from './arena.ts';
import { Fd } from './fd.ts';
import { libc } from './libc.ts';
import { streamCalls } from './stream-calls.ts';

/** A pipe through which bytes are spliced from socket to socket: memory of the kernel that is not copied. */
export interface Pipe {
  readonly input: Fd;
  readonly output: Fd;
  /** Bytes that it takes at most; as many as it has pages, of which a small packet needs one too. */
  readonly size: number;
}

/** As large as is allowed, up to `size`. Undefined when there are no descriptors left, or no memory for the pipes of this user. */
export function openPipe(size: number): Pipe | undefined {
  const calls = streamCalls();
  scratch ??= new Arena(8);
  if (calls.pipe2(scratch.address, O_CLOEXEC | O_NONBLOCK) < 0) return undefined;
  const output = new Fd(scratch.words[0] ?? -1, 'pipe');
  const input = new Fd(scratch.words[1] ?? -1, 'pipe');
  return { input, output, size: grow(input.number, size) };
}

export function closePipe(pipe: Pipe): void {
  pipe.input.close();
  pipe.output.close();
}

/** Without privileges a user's pipes have 64 MiB together (pipe-user-pages-soft), and none has more than pipe-max-size. */
function grow(fd: number, size: number): number {
  const { fcntl } = libc();
  for (let wanted = size; wanted > SMALL; wanted /= 4) {
    const got = fcntl(fd, F_SETPIPE_SZ, wanted);
    if (got > 0) return got;
  }
  return Math.max(fcntl(fd, F_GETPIPE_SZ, 0), PAGE);
}

let scratch: Arena | undefined;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const SMALL = 64 * 1024;
const PAGE = 4096;
