import { MAX_PAYLOAD } from '../../flow/encapsulate.ts';
import type { Millis } from '../../net/time.ts';
import { takeRate } from '../rates.ts';
import type { Channel, Seat } from './channel.ts';
import type { Core } from './core.ts';
import { directionOf, installFlow } from './flows.ts';

/** A datagram of a client at a complete pair goes to the other as it is. Comes here when no flow took it: from now on one does. */
export function forward(core: Core, channel: Channel, seat: Seat, packet: Uint8Array, now: Millis): undefined {
  const partner = channel.partnerOf(seat);
  if (partner === undefined) return;
  seat.lastSeen = now;
  if (seat.flow === undefined) installFlow(core, channel, seat);
  if (packet.length > MAX_PAYLOAD[partner.endpoint.family]) return core.drop('too-big');
  const direction = directionOf(channel, seat);
  if (!takeRate(core, channel, direction, packet.length, now)) return core.drop('rate-limited');
  seat.usage.noteSent(packet.length);
  partner.usage.noteReceived(packet.length);
  core.relayed.add(direction, packet.length);
  core.orders.add({ type: 'send', from: partner.socket, to: partner.endpoint, packet });
}
