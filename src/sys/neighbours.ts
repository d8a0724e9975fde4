import type { Family } from '../net/address.ts';
import { Arena } from './arena.ts';
import { checked } from './errno.ts';
import { Fd } from './fd.ts';
import { libc } from './libc.ts';

/** A host on a link, by its address in network byte order. */
export interface Neighbour {
  readonly ifindex: number;
  readonly family: Family;
  readonly address: Uint8Array;
}

/**
 * Tells the kernel that something is being sent to each of them, so that it finds out whether they are still where they were, as it would for
 * a packet of its own (NTF_USE, Documentation/netlink/specs/rt-neigh.yaml of Linux). Nothing is waited for, and what it answers is not read:
 * a neighbour that is gone shows when somebody sends to it. Needs CAP_NET_ADMIN.
 *
 *    nlmsghdr       length:4 type:2 flags:2 sequence:4 port:4
 *    ndmsg          family:1 padding:3 ifindex:4 state:2 flags:1 type:1
 *    NDA_DST        length:2 type:2 address
 */
export function useNeighbours(neighbours: readonly Neighbour[]): void {
  if (neighbours.length === 0) return;
  const calls = libc();
  const fd = new Fd(checked('socket', calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)), 'netlink');
  try {
    const { address, bytes } = scratch();
    for (const neighbour of neighbours) {
      const message = useMessage(neighbour);
      bytes.set(message);
      checked('write', calls.write(fd.number, address, message.length));
    }
  } finally {
    fd.close();
  }
}

function useMessage({ ifindex, family, address }: Neighbour): Buffer {
  const message = Buffer.alloc(HEADERS + 4 + address.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(RTM_NEWNEIGH, 4);
  message.writeUInt16LE(NLM_F_REQUEST | NLM_F_CREATE, 6);
  message[16] = family === 4 ? AF_INET : AF_INET6;
  message.writeUInt32LE(ifindex, 20);
  message[26] = NTF_USE;
  message.writeUInt16LE(4 + address.length, HEADERS);
  message.writeUInt16LE(NDA_DST, HEADERS + 2);
  message.set(address, HEADERS + 4);
  return message;
}

function scratch(): Arena {
  room ??= new Arena(64);
  return room;
}

let room: Arena | undefined;

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const RTM_NEWNEIGH = 28;
const NLM_F_REQUEST = 1;
const NLM_F_CREATE = 0x400;
const NTF_USE = 1;
const NDA_DST = 1;
const HEADERS = 28;
