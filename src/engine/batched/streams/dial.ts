import type { Endpoint } from '../../../net/endpoint.ts';
import { SystemError } from '../../../sys/errno.ts';
import type { Fd } from '../../../sys/fd.ts';
import { errno } from '../../../sys/ffi.ts';
import { libc } from '../../../sys/libc.ts';
import { streamCalls } from '../../../sys/stream-calls.ts';
import { choosePortLate, openStream } from '../../../sys/stream-socket.ts';
import { bindForeign } from '../../../sys/transparent.ts';

export interface Dialled {
  /** Undefined: there will be no connection. */
  readonly fd: Fd | undefined;
  /** 0: connected; EINPROGRESS: the kernel will tell. */
  readonly errno: number;
}

/**
 * Begins to connect. `target` and `source`: addresses of sockaddrs; a source of 0 bytes leaves the choice to the kernel. `foreign`: the source, where
 * it is somebody else's.
 */
export function dial(
  family: 4 | 6 | 'unix',
  target: number,
  targetBytes: number,
  source: number,
  sourceBytes: number,
  foreign?: Endpoint,
): Dialled {
  let fd: Fd | undefined;
  try {
    fd = openStream(family);
    if (foreign !== undefined) bindForeignLate(fd, foreign);
  } catch (error) {
    fd?.close();
    if (error instanceof SystemError) return { fd: undefined, errno: error.errno };
    throw error;
  }
  if (sourceBytes > 0 && foreign === undefined) {
    choosePortLate(fd);
    if (libc().bind(fd.number, source, sourceBytes) < 0) return failed(fd);
  }
  if (streamCalls().connect(fd.number, target, targetBytes) === 0) return { fd, errno: 0 };
  return errno() === EINPROGRESS ? { fd, errno: EINPROGRESS } : failed(fd);
}

function bindForeignLate(fd: Fd, client: Endpoint): void {
  choosePortLate(fd);
  bindForeign(fd, client);
}

function failed(fd: Fd): Dialled {
  const reason = errno();
  fd.close();
  return { fd: undefined, errno: reason };
}

const EINPROGRESS = 115;
