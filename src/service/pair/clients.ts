import { createHash } from 'node:crypto';
import type { ClientRecord } from '../client-record.ts';
import { totalUsage } from '../usage.ts';
import type { Channel, Seat } from './channel.ts';
import type { Core } from './core.ts';

/** Both seats of a pair have the same id. The GUID itself is not told: in older forms it is all that one must know to take a seat. */
export function* recordClients(core: Core): IterableIterator<ClientRecord> {
  for (const channel of core.table.all()) {
    const id = createHash('sha256').update(channel.key).digest('hex').slice(0, 12);
    for (const seat of channel.seats()) yield recordSeat(core, channel, seat, id);
  }
}

function recordSeat(core: Core, channel: Channel, seat: Seat, id: string): ClientRecord {
  const { lastSeen, ...counts } = totalUsage(seat.usage, core.flows, [seat.flow], [channel.partnerOf(seat)?.flow]);
  return {
    service: 'pair',
    id,
    endpoint: seat.endpoint,
    transport: 'udp',
    listener: core.listeners.get(seat.socket),
    firstSeen: seat.firstSeen,
    lastSeen: Math.max(seat.lastSeen, lastSeen),
    ...counts,
  };
}
