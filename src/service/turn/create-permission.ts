import type { Millis } from '../../net/time.ts';
import type { Allocation } from './allocation.ts';
import type { AuthenticatedRequest } from './auth.ts';
import { refuseAddress } from './blocking.ts';
import { countOf } from './chain.ts';
import type { Core } from './core.ts';
import { permit } from './permissions.ts';
import { refuse, replyToAuthenticated, succeed } from './responses.ts';
import { reschedule } from './timers.ts';

/** RFC 8656 §10.2. All addresses of a request are checked before the first permission changes: all or none. */
export function handleCreatePermission(
  core: Core,
  allocation: Allocation,
  request: AuthenticatedRequest,
  now: Millis,
): undefined {
  const to = replyToAuthenticated(allocation.client, request);
  const peers = request.message.attributes.xorPeerAddresses ?? [];
  if (peers.length === 0) return refuse(core, to, 'no-peer-address');
  const { maxPermissions } = core.config;
  const byAddress = new Map(peers.map((peer) => [peer.address, peer]));
  // First of all: a message has room for thousands of addresses, and to look at each would take long.
  if (byAddress.size > maxPermissions) return refuse(core, to, 'too-many-permissions');
  for (const peer of byAddress.values()) {
    if (allocation.relay(peer.family) === undefined) return refuse(core, to, 'family-mismatch');
    const refusal = refuseAddress(core, peer, now);
    if (refusal !== undefined) return refuse(core, to, refusal);
  }
  const addresses = [...byAddress.keys()];
  const added = addresses.filter((address) => allocation.permission(address) === undefined);
  if (countOf(allocation.permissions) + added.length > maxPermissions) {
    return refuse(core, to, 'too-many-permissions');
  }

  for (const address of addresses) permit(core, allocation, address, now);
  reschedule(core, allocation);
  return succeed(core, to, {});
}
