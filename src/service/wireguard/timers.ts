import type { Millis } from '../../net/time.ts';
import type { Core } from './core.ts';
import { forget, lastSeen } from './members.ts';
import { ProofSession } from './proof.ts';
import { endSession } from './proofs.ts';
import { ProvenEndpoint, unprove } from './proven.ts';
import { Remote } from './remote.ts';
import { removeRoute } from './routes.ts';

/**
 * Ends everything that is due, at every door of the service. Each client has a deadline of its own instead of a sweep over all of them:
 * flows may have moved packets meanwhile, so it is looked at and given a new one.
 */
export function expire(core: Core, now: Millis): void {
  for (let due = core.deadlines.takeDue(now); due !== undefined; due = core.deadlines.takeDue(now)) {
    if (due instanceof Remote) expireRemote(core, due, now);
    else if (due instanceof ProvenEndpoint) unprove(core, due.remote);
    else if (due instanceof ProofSession) core.proof && endSession(core, core.proof, due);
    else removeRoute(core, due);
  }
  core.statistics.tell(core, now);
}

export function nextTimeout(core: Core, now: Millis): Millis | undefined {
  const times = [core.deadlines.next(), core.searches.next(now), core.statistics.nextAt];
  const given = times.filter((time) => time !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

function expireRemote(core: Core, remote: Remote, now: Millis): void {
  const until = remote.client === undefined ? now : lastSeen(core, remote) + core.config.timeout;
  if (until <= now) {
    forget(core, remote);
    return;
  }
  core.deadlines.set(remote, until);
  core.changes.note(remote);
}
