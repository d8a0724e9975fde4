import { MESSAGE_HEADER, NLM_F_DUMP, netlinkAttributes, netlinkMessage, withNetlink } from './netlink.ts';

/** An Ethernet interface and its hardware address, 6 bytes. */
export interface Link {
  readonly ifindex: number;
  readonly address: Uint8Array;
}

/**
 * Of these interfaces those that are there and are Ethernet; `members`: behind them those that belong to one of them, as to a bond
 * (Documentation/netlink/specs/rt-link.yaml of Linux). Throws SystemError.
 *
 *    ifinfomsg      family:1 padding:1 type:2 ifindex:4 flags:4 change:4
 */
export function linksOf(ifindexes: readonly number[], members: boolean): Link[] {
  return withNetlink(NETLINK_ROUTE, (socket) => {
    const found = ifindexes.flatMap((ifindex) => socket.ask(netlinkMessage(RTM_GETLINK, 0, linkHeader(ifindex))));
    if (members) {
      for (const ifindex of ifindexes) {
        const value = Buffer.alloc(4);
        value.writeUInt32LE(ifindex);
        found.push(...socket.ask(netlinkMessage(RTM_GETLINK, NLM_F_DUMP, linkHeader(0), { type: IFLA_MASTER, value })));
      }
    }
    return found.flatMap(linkIn);
  });
}

function linkHeader(ifindex: number): Buffer {
  const header = Buffer.alloc(LINK_HEADER);
  header.writeUInt32LE(ifindex, 4);
  return header;
}

function linkIn(message: Buffer): Link[] {
  const address = netlinkAttributes(message, LINK_HEADER).get(IFLA_ADDRESS);
  if (address === undefined || message.readUInt16LE(MESSAGE_HEADER + 2) !== ARPHRD_ETHER) return [];
  return [{ ifindex: message.readUInt32LE(MESSAGE_HEADER + 4), address }];
}

const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const LINK_HEADER = 16;
const IFLA_ADDRESS = 1;
const IFLA_MASTER = 10;
const ARPHRD_ETHER = 1;
