import { endpointKey } from '../../net/endpoint.ts';
import type { Channel } from './channel.ts';
import type { Core } from './core.ts';
import { removeFlow } from './flows.ts';
import type { CloseReason } from './reasons.ts';

export function closeChannel(core: Core, channel: Channel, reason: CloseReason): void {
  for (const seat of channel.seats()) removeFlow(core, channel, seat);
  core.deadlines.clear(channel);
  core.table.remove(channel);
  core.changes.note(channel);
  const { first, second } = channel;
  core.event('debug', second === undefined ? 'half-open pair closed' : 'pair closed', {
    reason,
    first: endpointKey(first.endpoint),
    ...(second && { second: endpointKey(second.endpoint) }),
  });
}
