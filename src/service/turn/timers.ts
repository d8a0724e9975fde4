import type { Millis } from '../../net/time.ts';
import { Allocation, Reservation } from './allocation.ts';
import { each } from './chain.ts';
import type { Core } from './core.ts';
import { dropChannel, dropPermission, endRelay, endReservation } from './ending.ts';
import { abandonOpening } from './opening.ts';
import { expireStream } from './streams.ts';

/**
 * Ends everything that is due. Called before anything else at every door of the service, so that no packet is judged by what has run
 * out but was not looked at yet.
 */
export function expire(core: Core, now: Millis): void {
  for (let due = core.deadlines.takeDue(now); due !== undefined; due = core.deadlines.takeDue(now)) {
    if (due instanceof Allocation) expireAllocation(core, due, now);
    else if (due instanceof Reservation) endReservation(core, due);
    else expireStream(core, due, now);
  }
}

/**
 * After every change of an allocation: sets its one deadline to the earliest of its expiries. Its lists are short and bounded by
 * configuration.
 */
export function reschedule(core: Core, allocation: Allocation): void {
  core.changes.note(allocation);
  const { ipv4, ipv6, permissions, channels } = allocation;
  let at = Math.min(ipv4?.expiresAt ?? Infinity, ipv6?.expiresAt ?? Infinity);
  for (let one = permissions; one !== undefined; one = one.next) at = Math.min(at, one.expiresAt);
  for (let one = channels; one !== undefined; one = one.next) at = Math.min(at, one.expiresAt);
  if (at !== allocation.at || allocation.position === -1) core.deadlines.set(allocation, at);
}

function expireAllocation(core: Core, allocation: Allocation, now: Millis): void {
  if (allocation.opening !== undefined) {
    abandonOpening(core, allocation, allocation.opening, now);
    return;
  }
  for (const relay of [allocation.ipv4, allocation.ipv6]) {
    if (relay !== undefined && relay.expiresAt <= now) endRelay(core, allocation, relay.family, 'expired', now);
  }
  if (allocation.ipv4 === undefined && allocation.ipv6 === undefined) return;
  for (const permission of each(allocation.permissions)) {
    if (permission.expiresAt <= now) dropPermission(core, allocation, permission);
  }
  for (const channel of each(allocation.channels)) {
    if (channel.expiresAt <= now) dropChannel(core, allocation, channel);
  }
  reschedule(core, allocation);
}
