import type { Family } from '../../net/address.ts';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { Allocation, Relay, Reservation } from './allocation.ts';
import { toLatin1 } from './bytes.ts';
import { each } from './chain.ts';
import type { Core } from './core.ts';
import { isUdp } from './table.ts';

/**
 * The whole state as a plain value that survives JSON (binary as Latin-1 text). Listeners are named by where they are bound, because socket
 * ids are of one process. Not in it: streams and what their clients hold (the connection ends with the process), half-made allocations
 * (the client's retransmission makes them again), budgets and counters.
 */
export interface Snapshot {
  readonly version: 1;
  readonly allocations: readonly AllocationRecord[];
  readonly reservations: readonly ReservationRecord[];
}

export interface AllocationRecord {
  /** endpointKey of the listener. */
  readonly listener: string;
  readonly client: Endpoint;
  readonly user: string;
  /** Whose users it is one of. */
  readonly realm: string;
  readonly nonceIssuedAt: Millis;
  readonly transactionId: string;
  readonly relays: readonly RelayRecord[];
  readonly permissions: readonly { readonly address: string; readonly expiresAt: Millis }[];
  readonly channels: readonly { readonly number: number; readonly peer: Endpoint; readonly expiresAt: Millis }[];
  readonly reservationToken?: string;
  readonly missingFamily?: { readonly family: Family; readonly code: 440 | 508 };
}

export interface RelayRecord {
  readonly local: Endpoint;
  readonly advertised: string;
  readonly expiresAt: Millis;
}

export interface ReservationRecord {
  readonly token: string;
  readonly user: string;
  readonly relay: RelayRecord;
  readonly expiresAt: Millis;
}

export function takeSnapshot(core: Core): Snapshot {
  const allocations: AllocationRecord[] = [];
  for (const allocation of core.table.all()) {
    const record = recordAllocation(core, allocation);
    if (record !== undefined) allocations.push(record);
  }
  const reservations = [...core.table.reservations.values()].map(recordReservation);
  return { version: 1, allocations, reservations };
}

export function recordAllocation(core: Core, allocation: Allocation): AllocationRecord | undefined {
  const { client, opening, ipv4, ipv6, reservationToken, missingFamily } = allocation;
  if (!isUdp(client) || opening !== undefined) return undefined;
  const listener = core.listeners.get(client.socket);
  if (listener === undefined) return undefined;
  return {
    listener: endpointKey(listener),
    client: recordEndpoint(client.endpoint),
    user: allocation.user,
    realm: core.config.realm,
    nonceIssuedAt: allocation.nonceIssuedAt,
    transactionId: allocation.transactionId,
    relays: [ipv4, ipv6].filter((relay) => relay !== undefined).map(recordRelay),
    permissions: [...each(allocation.permissions)].map(({ address, expiresAt }) => ({ address, expiresAt })),
    channels: [...each(allocation.channels)].map(({ number, peer, expiresAt }) => ({
      number,
      peer: recordEndpoint(peer),
      expiresAt,
    })),
    ...(reservationToken && { reservationToken: toLatin1(reservationToken) }),
    ...(missingFamily && { missingFamily }),
  };
}

export function recordReservation({ token, user, relay, at }: Reservation): ReservationRecord {
  return { token, user, relay: recordRelay(relay), expiresAt: at };
}

function recordRelay({ local, advertised, expiresAt }: Relay): RelayRecord {
  return { local: recordEndpoint(local), advertised: advertised.address, expiresAt };
}

function recordEndpoint({ family, address, port }: Endpoint): Endpoint {
  return { family, address, port };
}
