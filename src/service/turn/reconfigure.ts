import type { Family } from '../../net/address.ts';
import type { Allocation } from './allocation.ts';
import { Authenticator } from './auth.ts';
import { each } from './chain.ts';
import type { TurnConfig } from './config.ts';
import { type Core, makeBudgets, makePools, type Pools } from './core.ts';
import { dropChannel, dropPermission, endReservation } from './ending.ts';
import { installFlows, removeFlows } from './flows.ts';
import { PeerFilter } from './peer-filter.ts';
import { reschedule } from './timers.ts';

/**
 * A new configuration takes effect at once, allocations and all: what the new filter refuses ends now. Users, quotas and lifetimes count
 * from the next request on. Allocations keep the ports and addresses that their clients were told.
 */
export function reconfigure(core: Core, config: TurnConfig): void {
  const before = core.config;
  // First everything that may throw: a configuration that cannot be had changes nothing.
  const fresh = makePools(config, core.random);
  const authenticator = new Authenticator(config);
  const filter = new PeerFilter(config);
  core.config = config;
  core.authenticator = authenticator;
  core.filter = filter;
  if (!sameJson(before.unauthenticatedBudget, config.unauthenticatedBudget)) {
    core.budgets = makeBudgets(config, core.random);
  }
  core.pools = choosePools(core, fresh, sameJson(before.ports, config.ports));
  endLostReservations(core);
  const newRate = before.quota.bytesPerSecond !== config.quota.bytesPerSecond;
  for (const allocation of core.table.all()) {
    applyFilter(core, allocation);
    if (newRate) renewFlows(core, allocation);
  }
}

/** The same range keeps its pool. A new one starts without the ports that are in use. */
function choosePools({ pools, table }: Core, fresh: Pools, sameRange: boolean): Pools {
  const chosen = { ...fresh };
  for (const family of [4, 6] as const) {
    if (sameRange && pools[family] !== undefined && fresh[family] !== undefined) {
      chosen[family] = pools[family];
      continue;
    }
    for (const relay of table.sockets.values()) {
      if (relay.family === family) fresh[family]?.takeThis(relay.local.port);
    }
  }
  return chosen;
}

/** A port that waits for an Allocate on an address that is no longer relayed waits in vain. */
function endLostReservations(core: Core): void {
  for (const reservation of core.table.reservations.values()) {
    const { family } = reservation.relay;
    if (addressOf(core.config, family) === undefined) endReservation(core, reservation);
  }
}

function applyFilter(core: Core, allocation: Allocation): void {
  for (const channel of each(allocation.channels)) {
    if (core.filter.refuse(channel.peer) !== undefined) dropChannel(core, allocation, channel);
  }
  for (const permission of each(allocation.permissions)) {
    const { family, address } = permission;
    if (core.filter.refuseAddress({ family, address, port: 0 }) !== undefined) {
      dropPermission(core, allocation, permission);
    }
  }
  if (allocation.opening === undefined) reschedule(core, allocation);
}

/** A flow's limit is part of it. */
function renewFlows(core: Core, allocation: Allocation): void {
  for (const channel of each(allocation.channels)) {
    removeFlows(core, allocation, channel);
    installFlows(core, allocation, channel);
  }
}

function addressOf({ relay }: TurnConfig, family: Family): TurnConfig['relay']['ipv4'] {
  return family === 4 ? relay.ipv4 : relay.ipv6;
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
