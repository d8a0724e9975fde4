import type { Millis } from '../../net/time.ts';
import { decodeChannelData } from '../../wire/turn/channel-data.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import { relayToPeer } from './relaying.ts';

/**
 * RFC 8656 §12.6. Refreshes neither binding nor permission. A permission that has run out stops the client's own data too: the flow
 * that would carry it rests on the permission, and what a flow does not do the slow path does not either.
 */
export function handleChannelData(core: Core, client: Client, packet: Uint8Array, now: Millis): undefined {
  const decoded = decodeChannelData(packet);
  if (decoded === undefined) return core.drop('malformed-channel-data');
  const allocation = core.table.find(client);
  if (allocation === undefined) return core.drop('no-allocation');
  const channel = allocation.channelByNumber(decoded.channel);
  if (channel === undefined) return core.drop('unknown-channel');
  return relayToPeer(core, allocation, channel.peer, decoded.data, false, now);
}
