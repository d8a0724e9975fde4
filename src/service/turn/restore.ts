import { endpointKey } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { address, endpoint, fields, list, optional, text, time, whole } from '../kept-shape.ts';
import { Allocation, Channel, Permission, Relay, Reservation } from './allocation.ts';
import { refuseAddress, refusePeer } from './blocking.ts';
import { fromLatin1 } from './bytes.ts';
import { chained, each } from './chain.ts';
import { UdpClient } from './client.ts';
import type { Core } from './core.ts';
import { endRelay, endReservation, forgetPort } from './ending.ts';
import { installFlows } from './flows.ts';
import type { AllocationRecord, RelayRecord, ReservationRecord, Snapshot } from './snapshot.ts';
import { reschedule } from './timers.ts';

/**
 * Reads a snapshot back into an empty service whose listeners are known. Every port is asked for again, on its own number; until the
 * engine has it, data for it is dropped, and when it cannot be had what rests on it ends. What has expired meanwhile, or now belongs
 * to nobody, is left out and counted.
 */
export function restoreSnapshot(core: Core, snapshot: Snapshot, now: Millis): void {
  if (snapshot.version !== 1) throw new SnapshotError(`unknown snapshot version ${String(snapshot.version)}`);
  if (core.table.entries > 0) throw new SnapshotError('restore() into a service that has clients already');
  const listeners = new Map([...core.listeners].map(([socket, local]) => [endpointKey(local), socket]));
  for (const record of snapshot.allocations) {
    const isSound = ALLOCATION(record) && restoreAllocation(core, record, listeners.get(record.listener), now);
    if (!isSound) core.drop('restore-failed');
  }
  for (const record of snapshot.reservations) {
    if (!RESERVATION(record) || !restoreReservation(core, record, now)) core.drop('restore-failed');
  }
}

/** The engine's answer for a port of a restored allocation or reservation. */
export function settleRestored(core: Core, relay: Relay, now: Millis): void {
  const { holder } = relay;
  if (holder === undefined) return;
  if (relay.open) {
    if (!(holder instanceof Allocation)) return;
    for (const channel of each(holder.channels)) installFlows(core, holder, channel);
    return;
  }
  core.drop('restore-failed');
  if (holder instanceof Reservation) endReservation(core, holder);
  else {
    endRelay(core, holder, relay.family, 'port-failed', now);
    if (holder.ipv4 !== undefined || holder.ipv6 !== undefined) reschedule(core, holder);
  }
  forgetPort(core, relay);
}

/** Our mistake, not a client's: a snapshot that this version cannot read, or a restore at the wrong time. */
class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code = 'CULVERT_TURN_SNAPSHOT';
}

function restoreAllocation(core: Core, record: AllocationRecord, socket: SocketId | undefined, now: Millis): boolean {
  if (socket === undefined || core.blocks.isBlocked(record.client, now)) return false;
  if (core.listeners.get(socket)?.family !== record.client.family) return false;
  if (!core.authenticator.mayHold(record.user, record.realm)) return false;
  const client = new UdpClient(socket, record.client);
  if (core.table.find(client) !== undefined) return false;
  const allocation = new Allocation(client, record.user, record.nonceIssuedAt, record.transactionId, now);
  for (const relayRecord of record.relays) {
    const relay = relayRecord.expiresAt > now ? reopen(core, relayRecord, allocation) : undefined;
    if (relay === undefined) continue;
    relay.expiresAt = relayRecord.expiresAt;
    if (relay.family === 4) allocation.ipv4 = relay;
    else allocation.ipv6 = relay;
    core.table.addRelay(relay);
  }
  if (allocation.ipv4 === undefined && allocation.ipv6 === undefined) return false;
  for (const { address, expiresAt } of record.permissions) {
    const permission = new Permission(address, expiresAt);
    if (expiresAt <= now || refuseAddress(core, { family: permission.family, address, port: 0 }, now)) continue;
    allocation.permissions = chained(allocation.permissions, permission);
  }
  for (const { number, peer, expiresAt } of record.channels) {
    if (expiresAt <= now || allocation.relay(peer.family) === undefined || refusePeer(core, peer, now)) continue;
    allocation.channels = chained(allocation.channels, new Channel(number, peer, expiresAt));
  }
  if (record.reservationToken !== undefined) allocation.reservationToken = fromLatin1(record.reservationToken);
  allocation.missingFamily = record.missingFamily;
  core.table.add(allocation);
  reschedule(core, allocation);
  return true;
}

function restoreReservation(core: Core, record: ReservationRecord, now: Millis): boolean {
  if (record.expiresAt <= now || !core.authenticator.mayHold(record.user, core.config.realm)) return false;
  const relay = reopen(core, record.relay, undefined);
  if (relay === undefined) return false;
  const reservation = new Reservation(record.token, record.user, relay);
  relay.holder = reservation;
  core.table.reservations.set(reservation.token, reservation);
  core.table.countUser(reservation.user, 1);
  core.deadlines.set(reservation, record.expiresAt);
  return true;
}

/**
 * On another address it would not be the one that the client was told. Where that is bound is this process's business: an interface
 * without a carrier has no addresses for Node, and then every address is bound.
 */
function reopen(core: Core, { local, advertised }: RelayRecord, holder: Allocation | undefined): Relay | undefined {
  const address = local.family === 4 ? core.config.relay.ipv4 : core.config.relay.ipv6;
  if (address?.advertised !== advertised) return undefined;
  if (!core.pools[local.family]?.takeThis(local.port)) return undefined;
  const relay = new Relay(core.ids.socket(), { ...local, address: address.bind }, advertised, holder);
  core.table.sockets.set(relay.socket, relay);
  core.orders.add({ type: 'openPort', socket: relay.socket, local: relay.local });
  return relay;
}

const RELAY = fields({ local: endpoint, advertised: address, expiresAt: time });
const ALLOCATION = fields({
  listener: text,
  client: endpoint,
  user: text,
  realm: text,
  nonceIssuedAt: time,
  transactionId: text,
  relays: list(RELAY, 2),
  permissions: list(fields({ address, expiresAt: time })),
  channels: list(fields({ number: whole(0x4000, 0x7fff), peer: endpoint, expiresAt: time })),
  reservationToken: optional(text),
  missingFamily: optional(fields({ family: whole(4, 6), code: whole(440, 508) })),
});
const RESERVATION = fields({ token: text, user: text, relay: RELAY, expiresAt: time });
