import { libc } from './libc.ts';
import { type Netlink, netlinkAttributes, netlinkMessage, withNetlink } from './netlink.ts';

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
 *    genlmsghdr     command:1 version:1 reserved:2
 */
export function xdpAbilities(ifindex: number): XdpAbilities | undefined {
  return withNetlink(NETLINK_GENERIC, (socket) => {
    const family = ask(socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, Buffer.from('netdev\0'));
    const id = family?.get(CTRL_ATTR_FAMILY_ID)?.readUInt16LE();
    if (id === undefined) return undefined;
    const index = Buffer.alloc(4);
    index.writeUInt32LE(ifindex);
    const features = ask(socket, id, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, index)?.get(NETDEV_A_DEV_XDP_FEATURES);
    if (features === undefined) return undefined;
    const bits = features.readUInt32LE();
    return { native: (bits & NATIVE) === NATIVE, transmit: (bits & NDO_XMIT) !== 0 };
  });
}

/** The attributes of the one answer; undefined for an error. */
function ask(
  socket: Netlink,
  family: number,
  command: number,
  type: number,
  value: Buffer,
): Map<number, Buffer> | undefined {
  const header = Buffer.of(command, 1, 0, 0);
  const [answer] = socket.ask(netlinkMessage(family, 0, header, { type, value }));
  return answer === undefined ? undefined : netlinkAttributes(answer, header.length);
}

const NETLINK_GENERIC = 16;
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
