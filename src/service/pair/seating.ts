import { type Endpoint, endpointKey, sameEndpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { type Channel, Seat } from './channel.ts';
import { closeChannel } from './closing.ts';
import type { Core } from './core.ts';
import { installFlow, removeFlow } from './flows.ts';
import { forward } from './forwarding.ts';
import type { Handshake } from './handshakes.ts';
import { reschedule } from './timers.ts';

/**
 * What a good handshake does. No answer is ever sent: clients repeat it until they hear of each other.
 *
 *     nobody is there              a half is made, and its seat is taken
 *     one is there, it is him      the half lives on
 *     one is there, another        the pair is complete; the first gets the handshake
 *     two are there                ignored, unless a seat fell silent and the newcomer may have it
 */
export function takeSeat(core: Core, handshake: Handshake, now: Millis): undefined {
  const { at, from, form, guid } = handshake;
  const channel = core.table.channel(form, guid);
  const place = core.table.find(at, from);
  if (place !== undefined && place.channel === channel) {
    place.seat.lastSeen = now;
    place.seat.proven ||= handshake.proven;
    return reschedule(core, channel);
  }
  if (core.draining && channel?.second === undefined) return core.drop('draining');
  if (place !== undefined && !mayLeave(core, place.channel, place.seat, handshake, now))
    return core.drop('source-busy');
  if (channel?.second !== undefined) {
    const silent = silentSeat(core, channel, handshake, now);
    return silent === undefined ? core.drop('third-party') : rebind(core, channel, silent, handshake, now);
  }
  if (channel !== undefined && sameEndpoint(channel.first.endpoint, from)) return core.drop('same-address');
  if (place !== undefined) closeChannel(core, place.channel, 'left');
  return channel === undefined ? openHalf(core, handshake, now) : complete(core, channel, handshake, now);
}

function openHalf(core: Core, handshake: Handshake, now: Millis): undefined {
  const { total } = core.config.quota;
  if (total > 0 && core.table.channels >= total) return core.drop('total-quota');
  if (isFull(core, handshake.from)) return core.drop('source-quota');
  const seat = seatOf(handshake, now);
  reschedule(core, core.table.add(handshake.form, handshake.guid, seat));
  core.event('debug', 'pair half open', { client: endpointKey(seat.endpoint) });
}

function complete(core: Core, channel: Channel, handshake: Handshake, now: Millis): undefined {
  if (isFull(core, handshake.from)) return core.drop('source-quota');
  const second = seatOf(handshake, now);
  core.table.complete(channel, second);
  installFlow(core, channel, channel.first);
  core.event('debug', 'pair open', {
    first: endpointKey(channel.first.endpoint),
    second: endpointKey(second.endpoint),
  });
  return forward(core, channel, second, handshake.packet, now);
}

/** A NAT gave the client another port, or the client another network. */
function rebind(core: Core, channel: Channel, old: Seat, handshake: Handshake, now: Millis): undefined {
  if (isFull(core, handshake.from)) return core.drop('source-quota');
  const place = core.table.find(handshake.at, handshake.from);
  if (place !== undefined) closeChannel(core, place.channel, 'left');
  const seat = seatOf(handshake, now);
  const partner = channel.partnerOf(old);
  removeFlow(core, channel, old);
  core.table.replace(channel, old, seat);
  // The partner's flow leads to the old address. It gets another only if it was busy, since a flow counts as a sign of life.
  if (partner?.flow !== undefined) {
    removeFlow(core, channel, partner);
    installFlow(core, channel, partner);
  }
  core.event('debug', 'pair rebound', { from: endpointKey(old.endpoint), to: endpointKey(seat.endpoint) });
  return forward(core, channel, seat, handshake.packet, now);
}

/** The seat that the newcomer may have: one of his own IP address before another, then the one that is silent for longest. */
function silentSeat(core: Core, channel: Channel, newcomer: Handshake, now: Millis): Seat | undefined {
  const [best] = channel
    .seats()
    .filter((seat) => isSilent(core, seat, now) && mayHave(core, seat, newcomer))
    .sort(
      (a, b) => Number(isNear(b, newcomer)) - Number(isNear(a, newcomer)) || lastSeenOf(core, a) - lastSeenOf(core, b),
    );
  return best;
}

/** A handshake that proves nothing may be a recording, and whoever proved his address is not followed by one who does not. */
function mayHave(core: Core, seat: Seat, newcomer: Handshake): boolean {
  if (newcomer.proven) return true;
  if (seat.proven) return false;
  const { unproven } = core.config.rebind;
  return unproven === 'anyone' || (unproven === 'same-address' && isNear(seat, newcomer));
}

/**
 * Whether a client may give up its channel for another. A half at once. A pair only when the client has stopped to send on it or has proven its
 * address: else a forged source address would be enough to break a living pair, or to lead its data elsewhere.
 */
function mayLeave(core: Core, channel: Channel, seat: Seat, { proven }: Handshake, now: Millis): boolean {
  return channel.second === undefined || proven || isSilent(core, seat, now);
}

function isSilent(core: Core, seat: Seat, now: Millis): boolean {
  return now - lastSeenOf(core, seat) >= core.config.rebind.after;
}

/** With what its flow has carried: the engine takes that away up to a sweep late. */
function lastSeenOf({ flows }: Core, { flow, lastSeen }: Seat): Millis {
  if (flow === undefined) return lastSeen;
  return Math.max(lastSeen, flows.read(flow)?.lastSeen ?? Number.POSITIVE_INFINITY);
}

function isNear(seat: Seat, { from }: Handshake): boolean {
  return seat.endpoint.address === from.address;
}

function isFull({ config, table }: Core, from: Endpoint): boolean {
  return config.quota.perSource > 0 && table.heldBy(from) >= config.quota.perSource;
}

function seatOf({ at, from, proven, word }: Handshake, now: Millis): Seat {
  return new Seat(at, from, proven, word, now);
}
