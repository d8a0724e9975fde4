import { Arena } from './arena.ts';
import { checked } from './errno.ts';
import { Fd } from './fd.ts';
import { libc } from './libc.ts';

/** Its number in the network namespace of this thread; 0 when there is no such interface. */
export function interfaceIndex(name: string): number {
  return libc().if_nametoindex(name);
}

/** What an interface's driver can do with XDP; undefined where the kernel does not say (before Linux 6.3). */
export interface XdpAbilities {
  /** Programs run in the driver, and may send a frame back or redirect it. */
  readonly native: boolean;
  /** It sends frames that programs redirect to it. Of a veth: while its peer has a program or GRO. */
  readonly transmit: boolean;
}

/**
 * Asks the generic netlink family "netdev" (Documentation/netlink/specs/netdev.yaml of Linux).
 *
 *    nlmsghdr       length:4 type:2 flags:2 sequence:4 port:4
 *    genlmsghdr     command:1 version:1 reserved:2
 *    attribute      length:2 type:2 value, padded to 4
 */
export function xdpAbilities(ifindex: number): XdpAbilities | undefined {
  const calls = libc();
  const fd = new Fd(checked('socket', calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC)), 'netlink');
  try {
    const family = ask(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, Buffer.from('netdev\0'));
    const id = family?.get(CTRL_ATTR_FAMILY_ID)?.readUInt16LE();
    if (id === undefined) return undefined;
    const index = Buffer.alloc(4);
    index.writeUInt32LE(ifindex);
    const features = ask(fd, id, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, index)?.get(NETDEV_A_DEV_XDP_FEATURES);
    if (features === undefined) return undefined;
    const bits = features.readUInt32LE();
    return { native: (bits & NATIVE) === NATIVE, transmit: (bits & NDO_XMIT) !== 0 };
  } finally {
    fd.close();
  }
}

/** The attributes of the one answer; undefined for an error. The kernel answers before the request returns, so nothing is waited for. */
function ask(fd: Fd, family: number, command: number, type: number, value: Buffer): Map<number, Buffer> | undefined {
  const request = Buffer.alloc(HEADERS + 4 + ((value.length + 3) & ~3));
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(family, 4);
  request.writeUInt16LE(NLM_F_REQUEST, 6);
  request[16] = command;
  request[17] = 1;
  request.writeUInt16LE(4 + value.length, HEADERS);
  request.writeUInt16LE(type, HEADERS + 2);
  value.copy(request, HEADERS + 4);

  const { address, bytes } = scratch();
  bytes.set(request);
  checked('write', libc().write(fd.number, address, request.length));
  const length = checked('read', libc().read(fd.number, address, bytes.length));
  const answer = Buffer.from(bytes.subarray(0, length));
  if (answer.length < HEADERS || answer.readUInt16LE(4) === NLMSG_ERROR) return undefined;
  return attributes(answer.subarray(HEADERS, answer.readUInt32LE(0)));
}

function attributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    found.set(bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

function scratch(): Arena {
  room ??= new Arena(16_384);
  return room;
}

let room: Arena | undefined;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_GENERIC = 16;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const HEADERS = 20;
/** Without the bits for nested attributes and byte order. */
const TYPE_MASK = 0x3fff;
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const NETDEV_CMD_DEV_GET = 1;
const NETDEV_A_DEV_IFINDEX = 1;
const NETDEV_A_DEV_XDP_FEATURES = 3;
/** NETDEV_XDP_ACT_BASIC and NETDEV_XDP_ACT_REDIRECT. */
const NATIVE = 1 | 2;
const NDO_XMIT = 4;
