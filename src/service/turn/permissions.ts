import type { Millis } from '../../net/time.ts';
import { type Allocation, Permission } from './allocation.ts';
import { chained } from './chain.ts';
import type { Core } from './core.ts';
import { installFlows } from './flows.ts';
import { PERMISSION_LIFETIME } from './lifetime.ts';

/** RFC 8656 §9: installs a permission or resets its time. Channels to that address that had lost theirs carry data again. */
export function permit(
  core: Core,
  allocation: Allocation,
  address: string,
  now: Millis,
  lifetime: Millis = PERMISSION_LIFETIME,
): void {
  const permission = allocation.permission(address);
  if (permission !== undefined) {
    permission.expiresAt = Math.max(permission.expiresAt, now + lifetime);
    return;
  }
  allocation.permissions = chained(allocation.permissions, new Permission(address, now + lifetime));
  for (let channel = allocation.channels; channel !== undefined; channel = channel.next) {
    if (channel.peer.address === address) installFlows(core, allocation, channel);
  }
}
