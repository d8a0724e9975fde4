import type { Endpoint } from '../net/endpoint.ts';
import { Arena } from './arena.ts';
import { checked } from './errno.ts';
import { Fd } from './fd.ts';
import { errno } from './ffi.ts';
import { libc } from './libc.ts';
import { AF_INET, AF_INET6, decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES } from './sockaddr.ts';

/** A UDP socket that neither blocks nor outlives an exec. IPv6 leaves IPv4 to others. Throws SystemError. */
export function openUdp(family: 4 | 6): Fd {
  const calls = libc();
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = new Fd(checked('socket', calls.socket(family === 4 ? AF_INET : AF_INET6, type, 0)), 'UDP socket');
  try {
    if (family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  } catch (error) {
    fd.close();
    throw error;
  }
  return fd;
}

/** Where it is bound then: the real port for 0. Throws SystemError. */
export function bindTo(fd: Fd, local: Endpoint): Endpoint {
  const calls = libc();
  const size = encodeSockaddr(local, scratch().view, 0);
  checked('bind', calls.bind(fd.number, scratch().address, size));
  if (local.port !== 0) return local;
  scratch().view.setUint32(LENGTH_AT, SOCKADDR_BYTES, true);
  checked('getsockname', calls.getsockname(fd.number, scratch().address, scratch().address + LENGTH_AT));
  return { ...local, port: decodeSockaddr(scratch().view, 0).port };
}

/** From now on it hears this endpoint alone, and what others send there is not for it. Throws SystemError. */
export function connectTo(fd: Fd, remote: Endpoint): void {
  const size = encodeSockaddr(remote, scratch().view, 0);
  checked('connect', libc().connect(fd.number, scratch().address, size));
}

/**
 * The address that a socket bound to a wildcard would send to `remote` from, by the kernel's routes; undefined when there is no way. Nothing is
 * sent.
 */
export function sourceFor(remote: Endpoint): string | undefined {
  const fd = openUdp(remote.family);
  try {
    const size = encodeSockaddr(remote, scratch().view, 0);
    if (libc().connect(fd.number, scratch().address, size) < 0) return undefined;
    scratch().view.setUint32(LENGTH_AT, SOCKADDR_BYTES, true);
    checked('getsockname', libc().getsockname(fd.number, scratch().address, scratch().address + LENGTH_AT));
    return decodeSockaddr(scratch().view, 0).address;
  } finally {
    fd.close();
  }
}

/** Bytes of buffer that the kernel may give; above its limit only to the privileged. */
export function enlargeBuffers(fd: Fd, receive: number, send: number): void {
  if (!trySetOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive)) trySetOption(fd, SOL_SOCKET, SO_RCVBUF, receive);
  if (!trySetOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, send)) trySetOption(fd, SOL_SOCKET, SO_SNDBUF, send);
}

/** Lets the kernel hand over what came in a row from one sender as one, with the size of its parts. False where it does not know how. */
export function mergeArrivals(fd: Fd): boolean {
  return trySetOption(fd, SOL_UDP, UDP_GRO, 1);
}

/** Another descriptor of the same socket, for somebody who closes it himself. Throws SystemError. */
export function duplicate(fd: Fd): number {
  return checked('fcntl', libc().fcntl(fd.number, F_DUPFD_CLOEXEC, 0));
}

/** No other socket may be bound where this one is. */
export function forbidSharing(fd: Fd): void {
  trySetOption(fd, SOL_SOCKET, SO_REUSEADDR, 0);
}

/**
 * Whether what the socket sends may be cut into fragments, by us or on the way. Where it may not, datagrams of any size that the device takes go
 * out with the DF bit, whatever was heard of the path before: who asked for that is looking for its MTU. False where the kernel cannot.
 */
export function allowFragments(fd: Fd, family: 4 | 6, allowed: boolean): boolean {
  return family === 4
    ? trySetOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, allowed ? PMTUDISC_DONT : PMTUDISC_PROBE)
    : trySetOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, allowed ? PMTUDISC_WANT : PMTUDISC_PROBE);
}

/** 0, or −errno. Never blocks. */
export function sendTo(fd: Fd, packet: Uint8Array, to: Endpoint): number {
  const size = encodeSockaddr(to, scratch().view, 0);
  const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const sent = libc().sendto(fd.number, packet, packet.length, flags, scratch().address, size);
  return sent < 0 ? -errno() : 0;
}

/** Throws SystemError. */
function setOption(fd: Fd, level: number, name: number, value: number): void {
  scratch().view.setInt32(0, value, true);
  checked('setsockopt', libc().setsockopt(fd.number, level, name, scratch().address, 4));
}

export function trySetOption(fd: Fd, level: number, name: number, value: number): boolean {
  scratch().view.setInt32(0, value, true);
  return libc().setsockopt(fd.number, level, name, scratch().address, 4) === 0;
}

/** Room for one sockaddr, a length or an option. */
function scratch(): Arena {
  room ??= new Arena(64);
  return room;
}

let room: Arena | undefined;
const LENGTH_AT = 32;

const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const F_DUPFD_CLOEXEC = 1030;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
/** IPv4: no DF bit. */
const PMTUDISC_DONT = 0;
/** IPv6, whose routers cut nothing: fragments of the size that the path is known to take. */
const PMTUDISC_WANT = 1;
const PMTUDISC_PROBE = 3;
const IPV6_V6ONLY = 26;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_DONTWAIT = 0x40;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
