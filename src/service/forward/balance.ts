import { isLoopback } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { isNobodysOwn } from '../reflector.ts';
import type { Forward } from './forward.ts';
import type { Target } from './upstreams.ts';

/**
 * The target for a client, or undefined when there is none. Those that checks found down are never taken; those that a connect just failed at
 * only when there is no other; each at most once for a client; in his name only those of his family. `route`: keys of upstreams, and nobody else.
 */
export function chooseTarget(
  forward: Forward,
  source: Endpoint,
  tried: readonly Target[],
  now: Millis,
  route?: ReadonlySet<string>,
): Target | undefined {
  const able = forward.upstreams
    .filter(({ key }) => route === undefined || route.has(key))
    .flatMap(({ targets }) => targets)
    .filter((target) => target.up && !tried.includes(target) && mayCome(forward, source, target));
  const sound = able.filter(({ suspectUntil }) => suspectUntil <= now);
  const candidates = sound.length > 0 ? sound : able;
  return candidates.length > 1 ? choose(forward, source, candidates) : candidates[0];
}

/** Why there is no target for a client, whatever becomes of the upstreams. */
export function whyNone(forward: Forward, source: Endpoint): 'no-upstream' | 'unusable-source' {
  const targets = targetsOf(forward);
  const isForeign = targets.length > 0 && targets.every((target) => !mayCome(forward, source, target));
  return isForeign ? 'unusable-source' : 'no-upstream';
}

/** Where an address is nobody's own, which a header may name, the kernel takes ours in its place: better nobody than the wrong one. */
export function mayCome({ rule }: Forward, source: Endpoint, { family }: Target): boolean {
  return !rule.transparent || (source.family === family && !isNobodysOwn(source));
}

/** A header may name an address of the balancer's own machine: towards an upstream on ours it would be one of ours. */
export function isElsewhere({ rule }: Forward, from: Endpoint, source: Endpoint): boolean {
  return rule.transparent && isLoopback(source.address) && !isLoopback(from.address);
}

export function targetsOf({ upstreams }: Forward): Target[] {
  return upstreams.flatMap(({ targets }) => targets);
}

/** Undefined when it is not among the upstreams any more. */
export function targetOf(forward: Forward, tag: number): Target | undefined {
  return targetsOf(forward).find((target) => target.tag === tag);
}

function choose(forward: Forward, source: Endpoint, candidates: readonly Target[]): Target | undefined {
  switch (forward.rule.balance) {
    case 'roundRobin':
      return inTurn(forward, candidates);
    case 'leastConnections': {
      const least = Math.min(...candidates.map(({ active }) => active));
      return inTurn(
        forward,
        candidates.filter(({ active }) => active === least),
      );
    }
    case 'sourceHash':
      return best(candidates, (target) => hash(`${source.address} ${target.upstream.key} ${target.address}`));
  }
}

function inTurn(forward: Forward, candidates: readonly Target[]): Target | undefined {
  return candidates[forward.turn++ % candidates.length];
}

/** Highest score wins (rendezvous hashing): when a target goes, only its own clients move. */
function best(candidates: readonly Target[], score: (target: Target) => number): Target | undefined {
  let winner: Target | undefined;
  let highest = -1;
  for (const target of candidates) {
    const points = score(target);
    if (points <= highest) continue;
    winner = target;
    highest = points;
  }
  return winner;
}

/** FNV-1a with a final mix. Not against an attacker, who can only choose which upstream he gets. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
