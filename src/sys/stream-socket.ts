import { Buffer } from 'node:buffer';
import type { Endpoint } from '../net/endpoint.ts';
import { Arena } from './arena.ts';
import { checked, SystemError } from './errno.ts';
import { Fd } from './fd.ts';
import { errno } from './ffi.ts';
import { libc } from './libc.ts';
import { AF_INET, AF_INET6 } from './sockaddr.ts';
import { streamCalls } from './stream-calls.ts';
import { bindTo, trySetOption } from './udp-socket.ts';

/** Seconds, as the kernel counts them. */
export interface KeepAliveSeconds {
  readonly idle: number;
  readonly interval: number;
  readonly count: number;
}

/** A stream socket that neither blocks nor outlives an exec. Throws SystemError. */
export function openStream(family: 4 | 6 | 'unix'): Fd {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const what = family === 'unix' ? 'unix stream' : 'TCP stream';
  const domain = family === 'unix' ? AF_UNIX : family === 4 ? AF_INET : AF_INET6;
  return new Fd(checked('socket', libc().socket(domain, type, 0)), what);
}

/** One that somebody else opened, and bound. */
export function adoptStream(number: number): Fd {
  const { fcntl } = libc();
  fcntl(number, F_SETFD, FD_CLOEXEC);
  fcntl(number, F_SETFL, fcntl(number, F_GETFL, 0) | SOCK_NONBLOCK);
  return new Fd(number, 'stream socket that was handed over');
}

/** The same as below for one that is bound already. Throws SystemError. */
export function listenAgain(fd: Fd, backlog: number, tcp: boolean, keepAlive: KeepAliveSeconds | undefined): void {
  if (tcp) {
    sendAtOnce(fd);
    probeSilence(fd, keepAlive);
  }
  checked('listen', streamCalls().listen(fd.number, backlog));
}

/**
 * Binds and listens; the real port for 0. What is set here holds for the connections too: they inherit it. IPv6 leaves IPv4 to others.
 * Throws SystemError.
 */
export function listenTcp(fd: Fd, local: Endpoint, backlog: number, keepAlive: KeepAliveSeconds | undefined): Endpoint {
  trySetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (local.family === 6) trySetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  sendAtOnce(fd);
  probeSilence(fd, keepAlive);
  const bound = bindTo(fd, local);
  checked('listen', streamCalls().listen(fd.number, backlog));
  return bound;
}

/** Throws SystemError. */
export function listenUnix(fd: Fd, path: string, backlog: number): void {
  const address = new Arena(SOCKADDR_UN_BYTES);
  const size = encodePath(path, address.bytes);
  checked('bind', libc().bind(fd.number, address.address, size));
  checked('listen', streamCalls().listen(fd.number, backlog));
}

/** Takes no more connections from here on, though the descriptor is still open. */
export function stopAccepting(fd: Fd): void {
  streamCalls().shutdown(fd.number, SHUT_RDWR);
}

/** Small packets do not wait for the answer to those before them. */
export function sendAtOnce(fd: Fd): void {
  trySetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/** Has the kernel ask a silent peer whether it is there; without times at its own pace. */
export function probeSilence(fd: Fd, times: KeepAliveSeconds | undefined): void {
  trySetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (times === undefined) return;
  trySetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, times.idle);
  trySetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, times.interval);
  trySetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, times.count);
}

/** The port is chosen when the connection is made, so that one address serves as many connections to each target. */
export function choosePortLate(fd: Fd): void {
  trySetOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
}

/** Closing it will tell the peer that the connection broke, not that all was said. */
export function resetWhenClosed(fd: Fd): void {
  const room = scratch();
  room.words[0] = 1;
  room.words[1] = 0;
  libc().setsockopt(fd.number, SOL_SOCKET, SO_LINGER, room.address, 8);
}

/** What became of a connect: 0, or its errno. */
export function connectError(fd: Fd): number {
  const room = scratch();
  room.words[0] = 0;
  room.words[1] = 4;
  if (libc().getsockopt(fd.number, SOL_SOCKET, SO_ERROR, room.address, room.address + 4) < 0) return errno();
  return room.words[0] ?? 0;
}

/** sockaddr_un: family:2, path, 0. Returns its size. Throws SystemError for a path that is too long. */
export function encodePath(path: string, to: Uint8Array): number {
  const bytes = Buffer.from(path);
  if (bytes.length > PATH_MOST) throw new SystemError('bind', ENAMETOOLONG);
  to.fill(0, 0, SOCKADDR_UN_BYTES);
  to[0] = AF_UNIX;
  to.set(bytes, 2);
  return 2 + bytes.length + 1;
}

function scratch(): Arena {
  room ??= new Arena(16);
  return room;
}

let room: Arena | undefined;

const SOCKADDR_UN_BYTES = 112;
const AF_UNIX = 1;
export const SHUT_WR = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_NOSIGNAL = 0x4000;
export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const PATH_MOST = 107;
const ENAMETOOLONG = 36;
const SHUT_RDWR = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const IP_BIND_ADDRESS_NO_PORT = 24;
