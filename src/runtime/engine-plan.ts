import type { Config } from '../control/config/schema.ts';
import { batchedObstacle, type Obstacle } from '../engine/batched/obstacle.ts';
import { autoObstacle, type XdpObstacle } from '../engine/xdp/obstacle.ts';
import { xdpInterfaces } from './xdp-interfaces.ts';

/** What a configuration comes to on this machine, before anything is opened. */
export type EnginePlan =
  | UserspacePlan
  /** Whether the kernel takes it is known when it is opened. */
  | {
      readonly ok: true;
      readonly name: 'xdp';
      readonly why: string;
      readonly below: 'portable' | 'batched';
      readonly interfaces: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

export interface UserspacePlan {
  readonly ok: true;
  readonly name: 'portable' | 'batched';
  readonly why: string;
}

/** Why an engine would not run here; tests answer for the machine. */
export interface Obstacles {
  readonly batched: () => Obstacle | undefined;
  /** For `auto`. */
  readonly xdp: (interfaces: readonly string[]) => XdpObstacle | undefined;
}

/** Nothing is loaded into the kernel for an answer: whether it takes the program is seen when that is opened. */
export const OBSTACLES: Obstacles = { batched: batchedObstacle, xdp: autoObstacle };

/**
 * `auto` takes the best engine that works here, and says why a better one does not; a name is taken at its word. The xdp engine is the best where
 * it runs in the drivers of all interfaces; generic, which is no faster than batched, it has to be named.
 */
export function planEngine(config: Config, obstacles: Obstacles = OBSTACLES): EnginePlan {
  const { engine: wanted } = config;
  if (wanted === 'portable') return { ok: true, name: 'portable', why: 'as configured' };
  const slower = obstacles.batched();
  const below = slower === undefined ? 'batched' : 'portable';
  const interfaces = wanted === 'batched' ? [] : interfacesFor(config);
  const faster = wanted === 'auto' ? obstacles.xdp(interfaces) : undefined;
  if (wanted === 'xdp' || (wanted === 'auto' && faster === undefined)) {
    const why = `${wanted === 'auto' ? 'auto: the best' : 'as configured'}, on ${interfaces.join(', ')} above ${below}`;
    return { ok: true, name: 'xdp', why, below, interfaces };
  }
  if (faster !== undefined) return nextBest(faster, slower);
  if (slower === undefined) return { ok: true, name: 'batched', why: 'as configured' };
  return { ok: false, reason: `the ${wanted} engine does not run here: ${slower.detail} (auto takes one that does)` };
}

/** For `auto`, where the best does not run. */
export function nextBest(xdp: XdpObstacle, batched: Obstacle | undefined): UserspacePlan {
  const why = `auto: xdp does not run here, ${xdp.detail}`;
  if (batched === undefined) return { ok: true, name: 'batched', why };
  return { ok: true, name: 'portable', why: `${why}; nor does batched, ${batched.detail}` };
}

/** Those of the xdp engine. */
export function interfacesFor(config: Config): readonly string[] {
  return xdpInterfaces(config.interfaces, listenerAddresses(config));
}

function listenerAddresses({ turn, wireguard, pair, forward }: Config): string[] {
  const listeners = [...(turn?.listen ?? []), ...(wireguard?.listen ?? []), ...(pair?.listen ?? [])];
  const forwards = (forward ?? []).flatMap(({ listen }) => listen);
  return [
    ...listeners.map(({ local }) => local.address),
    ...forwards.flatMap((listener) => ('address' in listener ? [listener.address] : [])),
  ];
}
