import { parseAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { Arena } from './arena.ts';
import type { Fd } from './fd.ts';
import { addressOf, errno } from './ffi.ts';
import { libc } from './libc.ts';
import {
  CONTROL_LEVEL,
  CONTROL_SIZE,
  CONTROL_TYPE,
  CONTROL_VALUE,
  IOV_COUNT,
  MESSAGE_BYTES,
  NAME_SIZE,
} from './messages.ts';
import { encodeSockaddr } from './sockaddr.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, trySetOption } from './udp-socket.ts';

/**
 * Which address of ours a datagram was sent to, or is to be sent from, as ancillary data. What counts comes first where the address of IPv6 is, and
 * second (of ifindex, local address, destination) for IPv4.
 *
 *    IPv4  cmsghdr:16 ifindex:4 local:4 destination:4 −:4
 *    IPv6  cmsghdr:16 local:16 ifindex:4 −:4
 */
export const LOCAL_SPACE: Readonly<Record<4 | 6, number>> = { 4: 32, 6: 40 };
const LENGTH: Readonly<Record<4 | 6, number>> = { 4: 28, 6: 36 };
export const LOCAL_LEVEL: Readonly<Record<4 | 6, number>> = { 4: 0, 6: 41 };
export const LOCAL_TYPE: Readonly<Record<4 | 6, number>> = { 4: 8, 6: 50 };
/** In words from the value. */
export const LOCAL_AT: Readonly<Record<4 | 6, number>> = { 4: 1, 6: 0 };

/** Has the kernel say of each datagram where it was sent to. */
export function tellLocalAddress(fd: Fd, family: 4 | 6): void {
  trySetOption(fd, LOCAL_LEVEL[family], family === 4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
}

/** Writes the control message at a word of `to`; the address lies, as on the wire, at a word of `from`. */
export function writeLocalAddress(to: Int32Array, at: number, family: 4 | 6, from: Int32Array, address: number): void {
  to.fill(0, at, at + LOCAL_SPACE[family] / 4);
  to[at] = LENGTH[family];
  to[at + CONTROL_LEVEL] = LOCAL_LEVEL[family];
  to[at + CONTROL_TYPE] = LOCAL_TYPE[family];
  const value = at + CONTROL_VALUE + LOCAL_AT[family];
  for (let n = 0; n < (family === 4 ? 1 : 4); n++) to[value + n] = from[address + n] ?? 0;
}

/** The same for one in text; false when it is none of this family. */
export function encodeLocalAddress(text: string, family: 4 | 6, words: Int32Array, at: number): boolean {
  const bytes = parseAddress(text);
  if (bytes === undefined || bytes.length !== (family === 4 ? 4 : 16)) return false;
  new Uint8Array(words.buffer, words.byteOffset + at * 4, bytes.length).set(bytes);
  return true;
}

/** As sendTo, from this address of ours. */
export function sendFrom(fd: Fd, source: string, packet: Uint8Array, to: Endpoint): number {
  const { words, view, address, nameAt, iovecAt, controlAt, sourceAt } = scratch();
  if (!encodeLocalAddress(source, to.family, words, sourceAt >> 2)) throw new TypeError(`no address: ${source}`);
  writeLocalAddress(words, controlAt >> 2, to.family, words, sourceAt >> 2);
  words[NAME_SIZE] = encodeSockaddr(to, view, nameAt);
  words[CONTROL_SIZE] = LOCAL_SPACE[to.family];
  view.setBigUint64(iovecAt, BigInt(addressOf(packet)), true);
  view.setBigUint64(iovecAt + 8, BigInt(packet.length), true);
  return libc().sendmsg(fd.number, address, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno() : 0;
}

/** One message, with all that it points to but the packet. */
class Scratch extends Arena {
  readonly nameAt: number;
  readonly iovecAt: number;
  readonly controlAt: number;
  readonly sourceAt: number;

  constructor() {
    super(256);
    const message = this.take(MESSAGE_BYTES);
    this.nameAt = this.take(32);
    this.iovecAt = this.take(16);
    this.controlAt = this.take(LOCAL_SPACE[6]);
    this.sourceAt = this.take(16);
    this.point(message, this.nameAt);
    this.point(message + 16, this.iovecAt);
    this.point(message + 32, this.controlAt);
    this.words[IOV_COUNT] = 1;
  }
}

function scratch(): Scratch {
  room ??= new Scratch();
  return room;
}

let room: Scratch | undefined;
const IP_PKTINFO = 8;
const IPV6_RECVPKTINFO = 49;
