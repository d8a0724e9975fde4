import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { each } from './chain.ts';
import type { Core } from './core.ts';
import { dropChannel, dropPermission, endAllocation } from './ending.ts';
import { formsOf, type PeerRefusal } from './peer-filter.ts';
import { closeStream } from './streams.ts';
import { reschedule } from './timers.ts';

/** What the configuration says of a peer, then the block list: for ChannelBind and Send. */
export function refusePeer(core: Core, peer: Endpoint, now: Millis): PeerRefusal | 'peer-blocked' | undefined {
  return core.filter.refuse(peer) ?? (isBlockedPeer(core, peer, now) ? 'peer-blocked' : undefined);
}

/** For CreatePermission: the port does not count. */
export function refuseAddress(core: Core, peer: Endpoint, now: Millis): PeerRefusal | 'peer-blocked' | undefined {
  return core.filter.refuseAddress(peer) ?? (isBlockedPeer(core, peer, now) ? 'peer-blocked' : undefined);
}

/** Clients that are blocked lose what they hold; those who talk to a blocked peer lose that peer. */
export function applyBlocks(core: Core, now: Millis): void {
  const { table, blocks } = core;
  for (const client of [...table.streams.values()]) {
    if (blocks.isBlocked(client.endpoint, now)) closeStream(core, client, 'blocked', now);
  }
  for (const allocation of [...table.all()]) {
    if (blocks.isBlocked(allocation.client.endpoint, now)) {
      endAllocation(core, allocation, 'blocked', now);
      continue;
    }
    for (const channel of each(allocation.channels)) {
      if (isBlockedPeer(core, channel.peer, now)) dropChannel(core, allocation, channel);
    }
    for (const permission of each(allocation.permissions)) {
      const { family, address } = permission;
      if (isBlockedPeer(core, { family, address, port: 0 }, now)) dropPermission(core, allocation, permission);
    }
    if (allocation.opening === undefined) reschedule(core, allocation);
  }
}

/** An IPv4 address that is blocked is so in every IPv6 form that wraps it. */
function isBlockedPeer({ blocks }: Core, peer: Endpoint, now: Millis): boolean {
  if (blocks.size === 0) return false;
  return formsOf(peer)?.some((form) => blocks.blocks(form, now)) ?? false;
}
