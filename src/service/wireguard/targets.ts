import type { Millis } from '../../net/time.ts';
import type { Core } from './core.ts';
import type { RegisteredKey } from './registry.ts';
import type { Remote } from './remote.ts';
import { takeTurns } from './table.ts';

/**
 * Whom an initiation goes to.
 *
 * 1. The key that mac1 names has been seen: where it was, and whoever may be the same client come by another way. Where it was proven
 *    wins over where it seemed to be.
 * 2. It has not been seen yet: endpoints without a key.
 * 3. Nobody knows whom it is for: partners of the sender first, since most initiations renew a session; then the others.
 *
 * In 2 and 3 clients come before strangers, in turn, never more than `fanOut` in all.
 */
export function targetsOf(core: Core, from: Remote, key: RegisteredKey | undefined): Remote[] {
  const fits = (remote: Remote) => remote !== from && (key === undefined || remote.keys.size === 0);
  const targets = new Set<Remote>();
  const add = (remotes: Iterable<Remote>) => {
    for (const remote of remotes) if (remote !== from && targets.size < core.config.fanOut) targets.add(remote);
  };
  if (key !== undefined) {
    if (core.proof?.required) return [...key.proven].filter((remote) => remote !== from);
    add(withSuccessors(key.proven.size > 0 ? key.proven : key.remotes));
    if (targets.size > 0) return [...targets];
  } else {
    add(withSuccessors(partnersOf(from)));
  }
  for (const set of [core.table.clients, core.table.strangers]) {
    const room = core.config.fanOut - targets.size;
    add(takeTurns(set, room, LOOKS * core.config.fanOut, (remote) => fits(remote) && !targets.has(remote)));
  }
  return [...targets];
}

/** Whether the destination may be sent this one. What a client sends to its partners is theirs to judge. */
export function mayReceive(core: Core, from: Remote, target: Remote, now: Millis): boolean {
  if (from.client !== undefined && isPartner(from, target)) return true;
  return core.unaskedBudget.take(target.endpoint, target.client === undefined ? 2 : 1, now);
}

function partnersOf(from: Remote): Set<Remote> {
  const partners = new Set<Remote>();
  for (const { stage, to } of from.routes.values()) if (stage === 'live') partners.add(to);
  return partners;
}

function isPartner(from: Remote, target: Remote): boolean {
  for (const { stage, to } of from.routes.values()) if (stage === 'live' && to === target) return true;
  return false;
}

function* withSuccessors(remotes: Iterable<Remote>): Iterable<Remote> {
  for (const remote of remotes) {
    yield remote;
    for (const successor of remote.successors) if (successor.isKnown) yield successor;
  }
}

/** How many endpoints are looked at for each that may be chosen. */
const LOOKS = 8;
