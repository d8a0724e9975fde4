import type { Endpoint } from '../net/endpoint.ts';
import { EACCES, EADDRINUSE, errnoName, SystemError } from './errno.ts';
import type { Fd } from './fd.ts';
import { errno } from './ffi.ts';
import { loadLibc } from './libc.ts';
import { bindTo, openUdp, trySetOption } from './udp-socket.ts';

/**
 * Lets a socket be bound to addresses that are not of this machine (ip(7), IP_TRANSPARENT). False without CAP_NET_ADMIN or CAP_NET_RAW: errno
 * says so.
 */
function takeForeignAddresses(fd: Fd, family: 4 | 6): boolean {
  return family === 4
    ? trySetOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
    : trySetOption(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
}

/** Binds in the name of somebody else: to his port, or to any where that is taken or not for us. Throws SystemError. */
export function bindForeign(fd: Fd, client: Endpoint): Endpoint {
  if (!takeForeignAddresses(fd, client.family)) throw new SystemError('setsockopt', errno());
  try {
    return bindTo(fd, client);
  } catch (error) {
    // The port alone is refused: taken, or one of those below 1024.
    if (!(error instanceof SystemError) || (error.errno !== EADDRINUSE && error.errno !== EACCES)) throw error;
    return bindTo(fd, { ...client, port: 0 });
  }
}

/** Why this process may not do it; undefined when it may. It is tried, since what counts is the right in the namespace of the network. */
export function foreignAddressObstacle(): string | undefined {
  const library = loadLibc();
  if (!library.ok) return library.detail;
  const fd = openUdp(4);
  try {
    return takeForeignAddresses(fd, 4) ? undefined : errnoName(errno());
  } finally {
    fd.close();
  }
}

const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
