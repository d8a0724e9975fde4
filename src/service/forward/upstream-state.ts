import type { Millis } from '../../net/time.ts';
import type { Core } from './core.ts';
import type { Target, Upstream } from './upstreams.ts';

/** One address of an upstream, for people. */
export interface UpstreamState {
  /** As the configuration has it, and the address where that is a name. */
  readonly name: string;
  readonly address: string | undefined;
  /** May be used. */
  readonly up: boolean;
  /** Whether anybody looks; it is up otherwise, once its name resolves. */
  readonly checked: boolean;
  readonly state: 'up' | 'down' | 'checking' | 'unchecked';
  /** Since when it is so. */
  readonly since: Millis;
  /** Why it is down, or why a connect failed while nobody said that it is. */
  readonly reason: string | undefined;
  /** When it is checked again, or its name is asked for; undefined where nobody checks. */
  readonly nextAt: Millis | undefined;
  /** Connections and sessions. */
  readonly active: number;
}

/** A name without an address counts as one that is down. */
export function describeUpstream(core: Core, { forward, key, rule, targets }: Upstream): UpstreamState[] {
  const checked = forward.rule.health !== undefined;
  const name = rule.kind === 'name' ? core.names.get(rule.name) : undefined;
  if (targets.length === 0) {
    const reason = name?.failing === true ? `the name does not resolve (${name.detail})` : 'the name is being resolved';
    const { since = 0, at: nextAt } = name ?? {};
    return [{ name: key, address: undefined, up: false, checked, state: 'down', since, reason, nextAt, active: 0 }];
  }
  return targets.map((target) => ({
    name: target.name,
    address: target.address === '' ? undefined : target.address,
    up: target.up,
    checked,
    state: stateOf(target, checked),
    since: target.since,
    reason: target.reason,
    nextAt: target.position === -1 ? undefined : target.at,
    active: target.active,
  }));
}

/** `checking`: it may be used, and the first check is under way. */
function stateOf({ up, proven }: Target, checked: boolean): UpstreamState['state'] {
  if (!up) return 'down';
  if (!checked) return 'unchecked';
  return proven ? 'up' : 'checking';
}
