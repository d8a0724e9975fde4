import { constants } from 'node:os';
import { errno } from './ffi.ts';

/** A system call that failed. `code` is the name of its errno, as in Node's own errors. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, number: number) {
    const code = errnoName(number);
    super(`${syscall}: ${code}`);
    this.code = code;
    this.errno = number;
    this.syscall = syscall;
  }
}

/** The result of a call that says −1 for failure; throws SystemError then. */
export function checked(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, errno());
  return result;
}

/** "EAGAIN" for 11; what has no name comes as "errno 1234". */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`;
}

// Where two names share a number (EAGAIN and EWOULDBLOCK), the first is the one that Node gives.
const names: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);

export const { EACCES, EADDRINUSE, EAGAIN, EBUSY, EINTR, EINVAL, EIO, EMSGSIZE }: typeof constants.errno =
  constants.errno;
