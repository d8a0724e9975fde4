import type { Millis } from '../../net/time.ts';
import { cutConnection } from './connections.ts';
import type { Core } from './core.ts';
import type { Forward } from './forward.ts';
import { endSessions } from './sessions.ts';

/** Connections of forwards that are gone from the configuration have no patience of their own left: they are cut. */
export function drain(core: Core, now: Millis, patience?: 'endless'): void {
  core.draining = true;
  core.endless = patience === 'endless';
  if (core.endless) return;
  for (const { listener } of core.connections) core.deadlines.set(listener.forward, now);
  for (const forward of core.forwards.values()) core.deadlines.set(forward, now + forward.rule.drain);
}

/** Decisions come to stand again with the next client. */
export function resume(core: Core): void {
  core.draining = false;
  core.endless = false;
  for (const forward of core.forwards.values()) core.deadlines.clear(forward);
}

/** Its time is over. */
export function cutAll(core: Core, forward: Forward): void {
  for (const connection of [...core.connections]) {
    if (connection.listener.forward === forward) cutConnection(core, connection);
  }
  endSessions(core, forward, () => true);
}

export function clientsLeft({ connections, forwards }: Core): number {
  return [...forwards.values()].reduce((sum, { sessions }) => sum + sessions.size, connections.size);
}
