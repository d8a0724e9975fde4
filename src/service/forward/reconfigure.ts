import type { Millis } from '../../net/time.ts';
import { type ForwardConfig, type ForwardRule, upstreamKey } from './config.ts';
import type { Core } from './core.ts';
import { Forward } from './forward.ts';
import { startChecks, stopChecks } from './health.ts';
import { follow, unfollow } from './names.ts';
import { endSessions } from './sessions.ts';
import { Upstream } from './upstreams.ts';

/**
 * New rules take effect at once. What did not change is not touched; connections go on whatever becomes of their rule, and sessions as long
 * as their upstream is one of it.
 */
export function reconfigure(core: Core, { rules }: ForwardConfig, now: Millis): void {
  const wanted = new Set(rules.map(({ name }) => name));
  for (const [name, forward] of core.forwards) if (!wanted.has(name)) remove(core, forward);
  for (const rule of rules) {
    const forward = core.forwards.get(rule.name);
    if (forward === undefined) add(core, rule, now);
    else change(core, forward, rule, now);
  }
}

function add(core: Core, rule: ForwardRule, now: Millis): void {
  const forward = new Forward(rule, core.random);
  core.forwards.set(rule.name, forward);
  for (const upstream of forward.upstreams) start(core, upstream, now);
}

function change(core: Core, forward: Forward, rule: ForwardRule, now: Millis): void {
  const before = forward.upstreams;
  const healthChanged = !sameHealth(forward.rule, rule);
  forward.rule = rule;
  forward.admission.update(rule);
  forward.upstreams = rule.upstreams.map(
    (wanted) => before.find(({ key }) => key === upstreamKey(wanted)) ?? new Upstream(forward, wanted),
  );
  for (const upstream of before) {
    if (!forward.upstreams.includes(upstream)) stop(core, upstream);
    else if (healthChanged) restartChecks(core, upstream, now);
  }
  for (const upstream of forward.upstreams) if (!before.includes(upstream)) start(core, upstream, now);
  endSessions(core, forward, ({ target }) => !forward.upstreams.includes(target.upstream));
}

function remove(core: Core, forward: Forward): void {
  core.forwards.delete(forward.rule.name);
  for (const upstream of forward.upstreams) stop(core, upstream);
  endSessions(core, forward, () => true);
}

function start(core: Core, upstream: Upstream, now: Millis): void {
  follow(core, upstream, now);
  for (const target of upstream.targets) {
    target.since ||= now;
    startChecks(core, target, now);
  }
}

function stop(core: Core, upstream: Upstream): void {
  unfollow(core, upstream);
  for (const target of upstream.targets) stopChecks(core, target);
}

/** Everything counts as up again, until the first check says otherwise. */
function restartChecks(core: Core, upstream: Upstream, now: Millis): void {
  for (const target of upstream.targets) {
    stopChecks(core, target);
    if (!target.up) target.since = now;
    target.up = true;
    target.proven = false;
    target.reason = undefined;
    target.contrary = 0;
    startChecks(core, target, now);
  }
}

function sameHealth(a: ForwardRule, b: ForwardRule): boolean {
  return JSON.stringify(a.health) === JSON.stringify(b.health);
}
