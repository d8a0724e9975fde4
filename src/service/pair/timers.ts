import type { FlowId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { Channel } from './channel.ts';
import { closeChannel } from './closing.ts';
import type { Core } from './core.ts';
import { forgetFlow } from './flows.ts';

/** Closes everything that is due. Called before anything else at every door of the service. */
export function expire(core: Core, now: Millis): void {
  for (let due = core.deadlines.takeDue(now); due !== undefined; due = core.deadlines.takeDue(now)) {
    closeChannel(core, due, 'idle');
  }
}

/** The engine saw no packet of this client for as long as it waits, and took its flow away. */
export function noteSilence(core: Core, flow: FlowId, now: Millis): void {
  const place = core.table.byFlow(flow);
  // Removed by us in the same moment.
  if (place === undefined) return;
  const { channel, seat } = place;
  forgetFlow(core, channel, seat);
  seat.lastSeen = Math.max(seat.lastSeen, now - core.flowIdle);
  reschedule(core, channel);
}

/** A channel is closed `idle` after the last packet that we know of, at the sweep that follows. While a flow is there, packets may be coming. */
export function reschedule(core: Core, channel: Channel): undefined {
  core.changes.note(channel);
  const seats = channel.seats();
  if (seats.some(({ flow }) => flow !== undefined)) {
    core.deadlines.clear(channel);
    return;
  }
  const { idle, sweep } = core.config;
  const lastSeen = Math.max(...seats.map((seat) => seat.lastSeen));
  core.deadlines.set(channel, Math.ceil((lastSeen + idle) / sweep) * sweep);
}
