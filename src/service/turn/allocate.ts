import type { Millis } from '../../net/time.ts';
import type { StunAttributes } from '../../wire/stun/message.ts';
import { Allocation, type MissingFamily, type Relay, Reservation } from './allocation.ts';
import type { AuthenticatedRequest } from './auth.ts';
import { fromLatin1, toLatin1 } from './bytes.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import { forgetReservation } from './ending.ts';
import { ADDRESS_FAMILY, familyOf, wantedSlots } from './families.ts';
import { grantedLifetime, RESERVATION_LIFETIME, secondsUntil } from './lifetime.ts';
import { MAX_OPENINGS, type Opening, startOpening } from './opening.ts';
import { REASON_PHRASES, type Refusal } from './reasons.ts';
import { kept, type ReplyTo, refuse, replyToAuthenticated, succeed } from './responses.ts';
import { reschedule } from './timers.ts';
import { isTunnelled } from './tunnelled.ts';

/** Attribute type of DONT-FRAGMENT, for UNKNOWN-ATTRIBUTES. */
const DONT_FRAGMENT = 0x001a;
const UDP_PROTOCOL = 17;
const TOKEN_BYTES = 8;

/** RFC 8656 §7.2. Step 1, authentication, is behind us. */
export function handleAllocate(core: Core, client: Client, request: AuthenticatedRequest, now: Millis): undefined {
  const to = replyToAuthenticated(client, request);
  const { attributes } = request.message;
  // Step 2: one allocation a 5-tuple; a retransmission is not a second one.
  const existing = core.table.find(client);
  if (existing !== undefined) return handleRepeated(core, existing, request, to, now);
  if (isTunnelled(client.endpoint)) return refuse(core, to, 'tunnelled-client');
  // RFC 8656 §7.4: a client that gets 508 does not come again for a minute, or goes to another server.
  if (core.draining) return refuse(core, to, 'draining');
  // Step 3
  if (attributes.requestedTransport === undefined) return refuse(core, to, 'no-requested-transport');
  if (attributes.requestedTransport !== UDP_PROTOCOL) return refuse(core, to, 'transport-unsupported');
  // Step 4
  if (attributes.dontFragment && !core.config.canSetDontFragment) {
    return refuse(core, to, 'unknown-attribute', { unknownAttributes: [DONT_FRAGMENT] });
  }
  // Steps 5, 6, 8 and 9: what cannot go together.
  const conflict = findConflict(attributes);
  if (conflict !== undefined) return refuse(core, to, conflict);
  if (attributes.reservationToken !== undefined) return allocateReserved(core, client, request, to, now);
  // Steps 7 and 9
  const wanted = wantedSlots(core.config, attributes);
  if (typeof wanted === 'string') return refuse(core, to, wanted);
  const { slots, missing } = wanted;
  // Step 10
  const overQuota = exceedsQuota(core, request.user, slots.filter(({ use }) => use === 'reserved').length);
  if (overQuota !== undefined) return refuse(core, to, overQuota);
  if (core.openings >= MAX_OPENINGS) return refuse(core, to, 'too-many-openings');

  const allocation = newAllocation(client, request, now);
  allocation.missingFamily = missing;
  const lifetime = grantedLifetime(core.config, attributes.lifetime);
  const even = attributes.evenPort !== undefined;
  return startOpening(core, allocation, { to: kept(to), lifetime, even, slots, attempts: 0 }, now);
}

/** Its ports are bound: only now may the client be told (a port that is announced before it is bound loses its first packets). */
export function finishAllocation(core: Core, allocation: Allocation, opening: Opening, now: Millis): undefined {
  const { to, slots, lifetime } = opening;
  allocation.opening = undefined;
  core.openings--;
  for (const { use, family, relay, state } of slots) {
    if (relay === undefined || state !== 'bound') allocation.missingFamily = { family, code: 508 };
    else if (use === 'reserved') allocation.reservationToken = reserve(core, allocation.user, relay, now);
    else adopt(core, allocation, relay, now + lifetime);
  }
  begin(core, allocation, to, now);
}

/** RFC 8656 §7.2, the note at its end: a retransmission gets the answer again, built from the allocation. */
function handleRepeated(
  core: Core,
  existing: Allocation,
  request: AuthenticatedRequest,
  to: ReplyTo,
  now: Millis,
): undefined {
  if (existing.transactionId !== toLatin1(to.transactionId)) return refuse(core, to, 'allocation-exists');
  if (existing.user !== request.user) return refuse(core, to, 'wrong-user');
  // The answer comes when the ports are bound.
  if (existing.opening !== undefined) return core.drop('retransmission');
  return succeed(core, to, describe(existing, now));
}

function findConflict(attributes: StunAttributes): Refusal | undefined {
  const { reservationToken, evenPort, requestedAddressFamily, additionalAddressFamily } = attributes;
  if (reservationToken !== undefined) {
    // Step 5
    const others = [evenPort, requestedAddressFamily, additionalAddressFamily];
    return others.some((other) => other !== undefined) ? 'conflicting-attributes' : undefined;
  }
  if (additionalAddressFamily === undefined) return undefined;
  // Step 6
  if (requestedAddressFamily !== undefined) return 'conflicting-attributes';
  // Step 8
  if (evenPort?.reserveNext) return 'conflicting-attributes';
  // Step 9; RFC 8656 §18.11: IPv6 is the only valid value.
  return familyOf(additionalAddressFamily) === 6 ? undefined : 'bad-additional-family';
}

/** Step 5: the port is bound already, so the answer does not wait for the engine. */
function allocateReserved(
  core: Core,
  client: Client,
  request: AuthenticatedRequest,
  to: ReplyTo,
  now: Millis,
): undefined {
  const { reservationToken, lifetime } = request.message.attributes;
  const reservation = core.table.reservations.get(toLatin1(reservationToken ?? new Uint8Array(0)));
  // The token crosses the network in clear text: whoever saw it must not take the port of somebody else.
  if (reservation === undefined || reservation.user !== request.user || !reservation.relay.open) {
    return refuse(core, to, 'unknown-reservation');
  }
  const overQuota = exceedsQuota(core, request.user, -1);
  if (overQuota !== undefined) return refuse(core, to, overQuota);
  forgetReservation(core, reservation);
  const allocation = newAllocation(client, request, now);
  core.table.add(allocation);
  adopt(core, allocation, reservation.relay, now + grantedLifetime(core.config, lifetime));
  return begin(core, allocation, to, now);
}

/** Step 10. A reserved port counts as an allocation of the user, or a loop of Allocate and Refresh 0 could reserve every port. */
function exceedsQuota(core: Core, user: string, beside: number): Refusal | undefined {
  const { perUser, total } = core.config.quota;
  if (perUser > 0 && core.table.heldBy(user) + 1 + beside > perUser) return 'user-quota';
  if (total > 0 && core.table.allocations + 1 > total) return 'total-quota';
  return undefined;
}

function newAllocation(client: Client, request: AuthenticatedRequest, now: Millis): Allocation {
  const { user, nonceIssuedAt, message } = request;
  return new Allocation(client, user, nonceIssuedAt, toLatin1(message.transactionId), now);
}

function reserve(core: Core, user: string, relay: Relay, now: Millis): Uint8Array {
  const token = core.random(TOKEN_BYTES);
  const reservation = new Reservation(toLatin1(token), user, relay);
  relay.holder = reservation;
  core.table.reservations.set(reservation.token, reservation);
  core.table.countUser(user, 1);
  core.deadlines.set(reservation, now + RESERVATION_LIFETIME);
  core.changes.note(reservation);
  return fromLatin1(reservation.token);
}

function adopt(core: Core, allocation: Allocation, relay: Relay, expiresAt: Millis): undefined {
  if (relay.family === 4) allocation.ipv4 = relay;
  else allocation.ipv6 = relay;
  relay.holder = allocation;
  relay.expiresAt = expiresAt;
  core.table.addRelay(relay);
}

function begin(core: Core, allocation: Allocation, to: ReplyTo, now: Millis): undefined {
  reschedule(core, allocation);
  succeed(core, to, describe(allocation, now));
  const { client, user } = allocation;
  core.event('debug', 'turn-allocation-created', { client: client.endpoint.address, user });
}

/** The attributes of an Allocate success response (RFC 8656 §7.2, the list at its end). */
function describe(allocation: Allocation, now: Millis): StunAttributes {
  const { client, ipv4, ipv6, reservationToken, missingFamily } = allocation;
  const relays = [ipv4, ipv6].filter((relay) => relay !== undefined);
  const attributes: StunAttributes = {
    xorRelayedAddresses: relays.map(({ advertised }) => advertised),
    lifetime: Math.min(...relays.map(({ expiresAt }) => secondsUntil(expiresAt, now))),
    xorMappedAddress: client.endpoint,
  };
  if (reservationToken !== undefined) attributes.reservationToken = reservationToken;
  if (missingFamily !== undefined) attributes.addressErrorCode = addressError(missingFamily);
  return attributes;
}

function addressError({ family, code }: MissingFamily): NonNullable<StunAttributes['addressErrorCode']> {
  return { family: ADDRESS_FAMILY[family], code, reason: REASON_PHRASES[code] };
}
