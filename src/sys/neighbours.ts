import type { Family } from '../net/address.ts';
import { NLM_F_CREATE, netlinkMessage, withNetlink } from './netlink.ts';

/** A host on a link, by its address in network byte order. */
export interface Neighbour {
  readonly ifindex: number;
  readonly family: Family;
  readonly address: Uint8Array;
}

/**
 * Tells the kernel that something is being sent to each of them, so that it finds out whether they are still where they were, as it would for
 * a packet of its own (NTF_USE, Documentation/netlink/specs/rt-neigh.yaml of Linux). What it answers is not read: a neighbour that is gone
 * shows when somebody sends to it. Needs CAP_NET_ADMIN.
 *
 *    ndmsg          family:1 padding:3 ifindex:4 state:2 flags:1 type:1
 *    NDA_DST        address
 */
export function useNeighbours(neighbours: readonly Neighbour[]): void {
  if (neighbours.length === 0) return;
  withNetlink(NETLINK_ROUTE, (socket) => {
    for (const { ifindex, family, address } of neighbours) {
      const header = Buffer.alloc(12);
      header[0] = family === 4 ? AF_INET : AF_INET6;
      header.writeUInt32LE(ifindex, 4);
      header[10] = NTF_USE;
      socket.send(netlinkMessage(RTM_NEWNEIGH, NLM_F_CREATE, header, { type: NDA_DST, value: address }));
    }
  });
}

const AF_INET = 2;
const AF_INET6 = 10;
const NETLINK_ROUTE = 0;
const RTM_NEWNEIGH = 28;
const NTF_USE = 1;
const NDA_DST = 1;
