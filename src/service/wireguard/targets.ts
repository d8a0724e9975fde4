import { type Millis, SECOND } from '../../net/time.ts';
import type { Core } from './core.ts';
import type { RegisteredKey } from './registry.ts';
import type { Remote } from './remote.ts';
import { alternate, stillSeeking, Turns } from './turns.ts';

/**
 * Whom an initiation goes to, the best first; the caller takes as many as may be sent it.
 *
 * 1. The key that mac1 names has been seen: where it was, and whoever may be the same client come by another way. Where it was proven
 *    wins over where it seemed to be.
 * 2. It has not been seen yet: endpoints without a key.
 * 3. Nobody knows whom it is for: partners of the sender, since most initiations renew a session, but no more than half; then the others.
 *
 * In 2 and 3 each kind of others has its share, so that none hides behind another: strangers, by network and all in turn, clients that look
 * for somebody right now, and all clients. What one kind leaves is for the rest.
 */
export function* targetsOf(core: Core, from: Remote, key: RegisteredKey | undefined, now: Millis): Iterable<Remote> {
  const met = new Set<Remote>([from]);
  if (key !== undefined) {
    if (core.proof?.required) return yield* unmet(key.proven, met);
    yield* unmet(withSuccessors(key.proven.size > 0 ? key.proven : key.remotes), met);
    if (met.size > 1) return;
  }
  const { fanOut } = core.config;
  const turns = (from.turns ??= new Turns(core.table, from, core.uniform.below(ANYWHERE)));
  const partners = key === undefined ? [...withSuccessors(partnersOf(from))] : [];
  const start = turns.partners % (partners.length || 1);
  const inTurn = [...partners.slice(start), ...partners.slice(0, start)];
  // With a fan-out of one, every other time.
  const share = Math.floor((fanOut + (turns.tries++ % 2)) / 2);
  turns.partners = start + share;
  yield* unmet(inTurn.slice(0, share), met);
  yield* othersOf(core, turns, key, met, now);
  yield* unmet(inTurn.slice(share), met);
}

/** Of a client that looks for somebody, until it has found him or stopped trying. */
export function noteSeeking(core: Core, remote: Remote, now: Millis): void {
  if (remote.client === undefined) return;
  remote.seeksUntil = now + SEEKING;
  core.table.seekers.add(remote);
}

/**
 * Whether the destination may be sent this one. What a client sends to its partners is theirs to judge. One that names a key and goes to the
 * client that has it is no guess, one goes out for one that came in, and a peer that many speak to must be able to hear them all.
 */
export function mayReceive(
  core: Core,
  from: Remote,
  target: Remote,
  key: RegisteredKey | undefined,
  now: Millis,
): boolean {
  if (from.client !== undefined && isPartner(from, target)) return true;
  return core.unaskedBudget.take(target.endpoint, costOf(target, key), now);
}

function othersOf(
  { table, config }: Core,
  turns: Turns,
  key: RegisteredKey | undefined,
  met: Set<Remote>,
  now: Millis,
): Iterable<Remote> {
  const { strangers, seekers, clients } = table;
  const looks = LOOKS * config.fanOut;
  const kinds = [
    turns.byNetwork(strangers.networks, Math.min(looks, strangers.size)),
    stillSeeking(seekers, turns.among(seekers, 'seekers', looks), now),
    turns.among(strangers.all, 'strangers', looks),
    turns.among(clients, 'clients', looks),
  ];
  const fits = (remote: Remote) => key === undefined || remote.keys.length === 0;
  return alternate(
    kinds.map((kind) => unmet(kind, met, fits)),
    turns.tries,
  );
}

function costOf(target: Remote, key: RegisteredKey | undefined): number {
  if (target.client === undefined) return 2;
  return key !== undefined && target.keys.includes(key) ? 0.1 : 1;
}

function* unmet(
  remotes: Iterable<Remote>,
  met: Set<Remote>,
  fits: (remote: Remote) => boolean = () => true,
): Iterable<Remote> {
  for (const remote of remotes) {
    if (met.has(remote) || !fits(remote)) continue;
    met.add(remote);
    yield remote;
  }
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
    for (const successor of remote.successors ?? []) if (successor.isKnown) yield successor;
  }
}

/** How many endpoints of a kind are looked at for each that may be chosen. */
const LOOKS = 4;
/** More than there are clients, so that newcomers do not all begin with the same. */
const ANYWHERE = 2 ** 31;
/** A peer tries every 5 s, and up to a third of a second more: it may lose two. */
const SEEKING: Millis = 20 * SECOND;
