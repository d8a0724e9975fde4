import { type Direction, type Flow, KEEP, NO_DISCRIMINATOR } from '../../flow/flow.ts';
import { rateLimit } from '../rates.ts';
import type { Channel, Seat } from './channel.ts';
import type { Core } from './core.ts';

/**
 * The seat's data goes to its partner without being asked about, but for handshakes: those of another pair must be seen here, and those of its
 * own are few. The engine reports a flow that is idle, which is how we know that a client fell silent.
 */
export function installFlow(core: Core, channel: Channel, seat: Seat): void {
  const partner = channel.partnerOf(seat);
  const here = core.listeners.get(seat.socket);
  const there = partner && core.listeners.get(partner.socket);
  if (partner === undefined || here === undefined || there === undefined) return;
  const direction = directionOf(channel, seat);
  const limit = rateLimit(core, channel, direction);
  const flow: Flow = {
    id: core.ids.flow(),
    service: 'pair',
    direction,
    match: {
      socket: seat.socket,
      local: here,
      remote: seat.endpoint,
      discriminator: NO_DISCRIMINATOR,
      exceptWord: seat.word,
    },
    rewrite: {
      socket: partner.socket,
      local: there,
      remote: partner.endpoint,
      encapsulation: KEEP,
    },
    idle: core.flowIdle,
    ...(limit && { limit }),
  };
  core.table.addFlow(flow.id, channel, seat);
  core.deadlines.clear(channel);
  core.changes.note(channel);
  core.orders.add({ type: 'addFlow', flow });
}

export function removeFlow(core: Core, channel: Channel, seat: Seat): void {
  if (seat.flow === undefined) return;
  core.orders.add({ type: 'removeFlow', flow: seat.flow });
  forgetFlow(core, channel, seat);
}

/** Of a flow that is gone, or is to go: what it carried stays with the two. */
export function forgetFlow(core: Core, channel: Channel, seat: Seat): void {
  const counters = seat.flow === undefined ? undefined : core.flows.read(seat.flow);
  if (counters !== undefined) {
    seat.usage.keepSent(counters);
    channel.partnerOf(seat)?.usage.keepReceived(counters);
  }
  core.table.removeFlow(seat);
}

/** A flow's limit is part of it: those that are there get the quota that holds now. */
export function renewFlows(core: Core): void {
  for (const channel of core.table.all()) {
    for (const seat of channel.seats()) {
      if (seat.flow === undefined) continue;
      removeFlow(core, channel, seat);
      installFlow(core, channel, seat);
    }
  }
}

/** Whoever came first is the client, for the counters. */
export function directionOf(channel: Channel, seat: Seat): Direction {
  return seat === channel.first ? 'to_peer' : 'to_client';
}
