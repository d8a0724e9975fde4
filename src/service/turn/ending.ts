import type { Family } from '../../net/address.ts';
import type { Millis } from '../../net/time.ts';
import type { Allocation, Channel, Permission, Relay, Reservation } from './allocation.ts';
import { each, unchained } from './chain.ts';
import { StreamClient } from './client.ts';
import { type Core, releasePort } from './core.ts';
import { removeFlows } from './flows.ts';
import { STREAM_PATIENCE } from './lifetime.ts';

/** Why an allocation ended, for the log. */
export type EndReason = 'deleted' | 'expired' | 'stream-closed' | 'port-failed' | 'listener-gone' | 'blocked';

/** Everything in it goes: flows first, then the ports that they rest on. */
export function endAllocation(core: Core, allocation: Allocation, reason: EndReason, now: Millis): undefined {
  for (let channel = allocation.channels; channel !== undefined; channel = channel.next)
    removeFlows(core, allocation, channel);
  for (const relay of [allocation.ipv4, allocation.ipv6]) if (relay !== undefined) closeRelay(core, relay);
  allocation.ipv4 = allocation.ipv6 = undefined;
  if (allocation.opening !== undefined) {
    for (const { relay } of allocation.opening.slots) if (relay !== undefined) closeRelay(core, relay);
    allocation.opening = undefined;
    core.openings--;
  }
  core.deadlines.clear(allocation);
  core.table.remove(allocation);
  core.changes.note(allocation);
  const { client } = allocation;
  if (client instanceof StreamClient && core.table.streams.has(client.stream)) {
    core.deadlines.set(client, now + STREAM_PATIENCE);
  }
  core.event('debug', 'turn-allocation-ended', { client: client.endpoint.address, user: allocation.user, reason });
}

/**
 * RFC 8656 §8.1: one half of a dual allocation goes with its own permissions and channels; those of the other family are not
 * touched. The last half takes the allocation along.
 */
export function endRelay(core: Core, allocation: Allocation, family: Family, reason: EndReason, now: Millis): void {
  if (allocation.relay(family === 4 ? 6 : 4) === undefined) {
    endAllocation(core, allocation, reason, now);
    return;
  }
  for (const channel of each(allocation.channels))
    if (channel.peer.family === family) dropChannel(core, allocation, channel);
  for (const permission of each(allocation.permissions)) {
    if (permission.family === family) dropPermission(core, allocation, permission);
  }
  const relay = allocation.relay(family);
  if (family === 4) allocation.ipv4 = undefined;
  else allocation.ipv6 = undefined;
  if (relay !== undefined) closeRelay(core, relay);
}

export function dropChannel(core: Core, allocation: Allocation, channel: Channel): void {
  removeFlows(core, allocation, channel);
  allocation.channels = unchained(allocation.channels, channel);
}

/** The channels to that address stay bound, but nothing passes until the permission comes back. */
export function dropPermission(core: Core, allocation: Allocation, permission: Permission): void {
  for (const channel of each(allocation.channels)) {
    if (channel.peer.address === permission.address) removeFlows(core, allocation, channel);
  }
  allocation.permissions = unchained(allocation.permissions, permission);
}

export function endReservation(core: Core, reservation: Reservation): void {
  forgetReservation(core, reservation);
  closeRelay(core, reservation.relay);
}

/** Its port has found its allocation, or is closed by the caller. */
export function forgetReservation(core: Core, reservation: Reservation): void {
  core.deadlines.clear(reservation);
  core.table.reservations.delete(reservation.token);
  core.changes.note(reservation);
  core.table.countUser(reservation.user, -1);
}

/** A port that the engine is still binding is closed when it reports. Until then the number is not free. */
export function closeRelay(core: Core, relay: Relay): void {
  core.table.removeRelay(relay);
  relay.holder = undefined;
  if (relay.open) closePort(core, relay);
}

export function closePort(core: Core, relay: Relay): void {
  core.orders.add({ type: 'closePort', socket: relay.socket });
  forgetPort(core, relay);
}

/** For a port that never was bound. */
export function forgetPort(core: Core, relay: Relay): void {
  core.table.sockets.delete(relay.socket);
  releasePort(core, relay.family, relay.local.port);
}
