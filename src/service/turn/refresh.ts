import type { Millis } from '../../net/time.ts';
import type { Allocation } from './allocation.ts';
import type { AuthenticatedRequest } from './auth.ts';
import type { Core } from './core.ts';
import { endAllocation, endRelay } from './ending.ts';
import { familyOf } from './families.ts';
import { grantedLifetime, secondsUntil } from './lifetime.ts';
import { refuse, replyToAuthenticated, succeed } from './responses.ts';
import { reschedule } from './timers.ts';

/** RFC 8656 §8.2. A family chooses one half of a dual allocation (§8.1); without one the request is for all of it. */
export function handleRefresh(
  core: Core,
  allocation: Allocation,
  request: AuthenticatedRequest,
  now: Millis,
): undefined {
  const to = replyToAuthenticated(allocation.client, request);
  const { requestedAddressFamily, lifetime } = request.message.attributes;
  const family = requestedAddressFamily === undefined ? undefined : familyOf(requestedAddressFamily);
  const relays = [allocation.ipv4, allocation.ipv6].filter(
    (relay) => relay !== undefined && (requestedAddressFamily === undefined || relay.family === family),
  );
  if (relays.length === 0) return refuse(core, to, 'family-mismatch');

  if (lifetime === 0) {
    // The answer goes first: over a stream it could not go any more once the allocation took its stream along.
    succeed(core, to, { lifetime: 0 });
    if (family === undefined) return endAllocation(core, allocation, 'deleted', now);
    endRelay(core, allocation, family, 'deleted', now);
    if (allocation.relay(family === 4 ? 6 : 4) !== undefined) reschedule(core, allocation);
    return;
  }
  const expiresAt = now + grantedLifetime(core.config, lifetime);
  for (const relay of relays) if (relay !== undefined) relay.expiresAt = expiresAt;
  reschedule(core, allocation);
  return succeed(core, to, { lifetime: secondsUntil(expiresAt, now) });
}
