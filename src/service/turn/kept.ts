import { endpointKey } from '../../net/endpoint.ts';
import type { KeptEntry } from '../kept.ts';
import { Allocation, type Reservation } from './allocation.ts';
import type { Core } from './core.ts';
import {
  type AllocationRecord,
  type ReservationRecord,
  recordAllocation,
  recordReservation,
  type Snapshot,
} from './snapshot.ts';
import { isUdp } from './table.ts';

/** Values of entries: one of these each. */
interface KeptValue {
  readonly allocation?: AllocationRecord;
  readonly reservation?: ReservationRecord;
}

export function* entriesOf(core: Core, things: Iterable<Allocation | Reservation>): Iterable<KeptEntry> {
  for (const thing of things) {
    const entry = thing instanceof Allocation ? allocationEntry(core, thing) : reservationEntry(core, thing);
    if (entry !== undefined) yield entry;
  }
}

export function snapshotOf(values: readonly object[]): Snapshot {
  const kept = values as readonly KeptValue[];
  return {
    version: 1,
    allocations: kept.flatMap(({ allocation }) => allocation ?? []),
    reservations: kept.flatMap(({ reservation }) => reservation ?? []),
  };
}

/** Whatever the client holds now: perhaps nothing, perhaps another allocation already. */
function allocationEntry(core: Core, { client }: Allocation): KeptEntry | undefined {
  const listener = isUdp(client) ? core.listeners.get(client.socket) : undefined;
  if (listener === undefined) return undefined;
  const current = core.table.find(client);
  const allocation = current && recordAllocation(core, current);
  return { key: `${endpointKey(listener)} ${endpointKey(client.endpoint)}`, value: allocation && { allocation } };
}

function reservationEntry({ table }: Core, { token }: Reservation): KeptEntry {
  const current = table.reservations.get(token);
  return { key: `reservation ${token}`, value: current && { reservation: recordReservation(current) } };
}
