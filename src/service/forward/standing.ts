import type { SocketId } from '../../net/ids.ts';
import { STANDING_TARGETS, type StandingDecision, type StandingPair, type StandingTotals } from '../../net/standing.ts';
import { UNIX_ENDPOINT } from '../../net/stream-target.ts';
import type { Millis } from '../../net/time.ts';
import { targetOf, targetsOf } from './balance.ts';
import { Connection } from './connection.ts';
import { cutConnection } from './connections.ts';
import type { Core } from './core.ts';
import type { Forward, Listener } from './forward.ts';

/**
 * Most forwards would answer every client alike. Where that is so the engine is told once, after the first client, and again when something
 * changes: upstreams, their health, the rule, blocks, a drain. Whatever has to look at a client himself is asked for each, as ever.
 */
export function stand(core: Core, listener: Listener, now: Millis): void {
  const decision = decide(core, listener, now);
  if (sameDecision(listener.standing, decision)) return;
  listener.standing = decision;
  if (decision === undefined) core.standing.delete(listener);
  else core.standing.add(listener);
  const { turn } = listener.forward;
  core.orders.add({
    type: 'stand',
    at: listener.socket,
    decision: decision && { ...decision, to: rotated(decision.to, turn) },
  });
}

/** Something changed: what stood may stand no more. */
export function reconsiderAll(core: Core, now: Millis): void {
  for (const listener of core.standing) stand(core, listener, now);
}

/**
 * A client came to the forward, or an upstream refused one. Of many listeners, such as those of a range of ports, each is looked at only where
 * that can matter: strangers make this happen.
 */
export function reconsider(core: Core, forward: Forward, now: Millis): void {
  if (!isHalfFull(forward) && targetsOf(forward).length < 2) return;
  for (const listener of forward.listeners) if (core.standing.has(listener)) stand(core, listener, now);
}

/** The engine let him in by a decision that stood then. */
export function handlePair(core: Core, { at, client, upstream, from, local, tag }: StandingPair, now: Millis): void {
  const listener = core.listeners.get(at);
  if (listener === undefined) return;
  const { forward } = listener;
  const connection = new Connection(client, listener, from, local, now);
  connection.state = 'joined';
  connection.upstream = upstream;
  connection.target = targetOf(forward, tag);
  if (connection.target !== undefined) connection.target.active += 1;
  connection.admitted = true;
  forward.admission.welcome(from);
  noteConnected(forward, 1);
  core.connections.add(connection);
  for (const stream of [client, upstream]) core.streams.set(stream, connection);
  // Decided since.
  const blocked = listener.local !== UNIX_ENDPOINT && core.blocks.refuses(from, now);
  const refusal = blocked ? 'blocked' : isFull(forward) ? 'total-limit' : undefined;
  if (refusal !== undefined) {
    core.drop(refusal);
    cutConnection(core, connection);
  } else if (core.draining && !core.endless && forward.position === -1) {
    // The time of all others is over.
    core.deadlines.set(forward, now);
  }
  reconsider(core, forward, now);
}

/** Those who left before anybody looked. */
export function handleTotals(core: Core, at: SocketId, { connections, toUpstream, toClient }: StandingTotals): void {
  const forward = core.listeners.get(at)?.forward;
  if (forward === undefined) return;
  noteConnected(forward, connections);
  forward.counts.toUpstream += toUpstream;
  forward.counts.toClient += toClient;
}

/** Where several are chosen from, none of them is one that a connect just failed at. */
function noteConnected(forward: Forward, connections: number): void {
  forward.counts.connected += connections;
  for (const target of targetsOf(forward)) if (target.up) target.reason = undefined;
}

/** Others were let in while he was being connected. */
function isFull({ admission, rule }: Forward): boolean {
  return admission.total > rule.limits.total;
}

function isHalfFull({ admission, rule }: Forward): boolean {
  return admission.total > rule.limits.total / 2;
}

function decide(core: Core, { forward, offset }: Listener, now: Millis): StandingDecision | undefined {
  const { rule, listeners } = forward;
  const { limits } = rule;
  // What is to be looked at of each client.
  if (core.draining || core.blocks.size > 0 || rule.serverNames !== undefined || rule.proxyOut !== 'off')
    return undefined;
  if (rule.transparent || rule.proxyIn.length > 0 || rule.allow.length > 0 || rule.deny.length > 0) return undefined;
  if (limits.perSource > 0 || limits.ratePerSource > 0) return undefined;
  // Of those who came in the last moment nobody knows: the better half of the places is given with open eyes.
  const most = Math.floor(limits.total / 2 / listeners.size);
  if (isHalfFull(forward) || most === 0) return undefined;
  const targets = targetsOf(forward).filter(({ up }) => up);
  if (targets.length === 0 || targets.length > STANDING_TARGETS) return undefined;
  const sound = targets.every(({ suspectUntil }) => suspectUntil <= now);
  if (targets.length > 1 && (rule.balance !== 'roundRobin' || !sound)) return undefined;
  return {
    to: targets.map((target) => ({ tag: target.tag, place: target.place(offset) })),
    timeout: rule.connectTimeout,
    ...(rule.keepAlive && { keepAlive: rule.keepAlive }),
    idle: rule.idle,
    most,
  };
}

/** It goes on where the last client was led to. */
function rotated<T>(list: readonly T[], turn: number): T[] {
  const first = turn % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

function sameDecision(a: StandingDecision | undefined, b: StandingDecision | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b));
}
