import { createHash, randomInt } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import { batchedObstacle, type Obstacle } from '../engine/batched/obstacle.ts';
import type { Engine, EngineSink } from '../engine/engine.ts';
import type { SourceBudget } from '../engine/xdp/data-plane.ts';
import type { IdSource } from '../net/ids.ts';
import { usableProcessors } from '../sys/cpu-quota.ts';
import { xdpInterfaces } from './xdp-interfaces.ts';

export interface ChosenEngine {
  /** Why this one: for the banner and the log. */
  readonly why: string;
  create(sink: EngineSink, ids: IdSource): Engine;
}

export type EngineChoice =
  | { readonly ok: true; readonly engine: ChosenEngine }
  /** The one that was asked for by name does not run here. */
  | { readonly ok: false; readonly reason: string };

/** What a configuration comes to on this machine, before anything is opened. */
export type EnginePlan =
  | { readonly ok: true; readonly name: 'portable' | 'batched'; readonly why: string }
  /** Whether the kernel takes it is known when it is opened. */
  | {
      readonly ok: true;
      readonly name: 'xdp';
      readonly why: string;
      readonly below: 'portable' | 'batched';
      readonly interfaces: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

/**
 * `auto` takes the best engine that works here, and says why a better one does not; a name is taken at its word. The xdp engine, which lays
 * hands on interfaces that are not the relay's alone, has to be named.
 */
export function planEngine(config: Config, obstacle: () => Obstacle | undefined = batchedObstacle): EnginePlan {
  const { engine: wanted } = config;
  if (wanted === 'portable') return { ok: true, name: 'portable', why: 'as configured' };
  const found = obstacle();
  if (wanted === 'xdp') {
    const below = found === undefined ? 'batched' : 'portable';
    const interfaces = interfacesFor(config);
    return {
      ok: true,
      name: 'xdp',
      why: `as configured, on ${interfaces.join(', ')} above ${below}`,
      below,
      interfaces,
    };
  }
  if (found === undefined) {
    const why = wanted === 'auto' ? 'auto: the best but for xdp, which wants to be named' : 'as configured';
    return { ok: true, name: 'batched', why };
  }
  if (wanted === 'auto') {
    return { ok: true, name: 'portable', why: `auto: batched does not run here, ${found.detail}` };
  }
  return { ok: false, reason: `the ${wanted} engine does not run here: ${found.detail} (auto takes one that does)` };
}

/**
 * As planned; xdp is attached here and now, so that a machine where it cannot be is told before anything listens. Only what runs is loaded:
 * the modules of an engine take 1 to 2 MB (measured).
 */
export async function chooseEngine(
  config: Config,
  log: Log,
  obstacle?: () => Obstacle | undefined,
): Promise<EngineChoice> {
  const plan = planEngine(config, obstacle);
  if (!plan.ok) return plan;
  if (plan.name === 'xdp') return openXdp(config, log, plan);
  return { ok: true, engine: { why: plan.why, create: await userspace(plan.name, config, log) } };
}

/** Those of the xdp engine. */
export function interfacesFor(config: Config): readonly string[] {
  return xdpInterfaces(config.interfaces, listenerAddresses(config));
}

async function openXdp(
  config: Config,
  log: Log,
  { why, below, interfaces }: Extract<EnginePlan, { name: 'xdp' }>,
): Promise<EngineChoice> {
  const [{ DataPlane }, { XdpEngine }] = await Promise.all([
    import('../engine/xdp/data-plane.ts'),
    import('../engine/xdp/xdp.ts'),
  ]);
  const options = {
    interfaces,
    instance: xdpInstance(config),
    budget: SOURCE_BUDGET,
    log: (message: string) => log.warn(message),
  };
  const opened = DataPlane.open(options);
  if (!opened.ok) {
    const { detail, fix } = opened.obstacle;
    return { ok: false, reason: `the xdp engine does not run here: ${detail} (${fix})` };
  }
  const createBelow = await userspace(below, config, log);
  const create = (sink: EngineSink, ids: IdSource): Engine => {
    const createInner = (inner: EngineSink): Engine => createBelow(inner, ids);
    return new XdpEngine(opened.plane, { ...options, sink, createInner });
  };
  return { ok: true, engine: { why, create } };
}

function listenerAddresses({ turn, wireguard, pair, forward }: Config): string[] {
  const forwards = (forward ?? []).flatMap(({ listen }) => listen);
  const listeners = [...(turn?.listen ?? []), ...(wireguard?.listen ?? []), ...(pair?.listen ?? []), ...forwards];
  return listeners.flatMap((listener) => ('local' in listener ? [listener.local.address] : []));
}

/** One relay to a state folder and a network namespace: another one must not take over what this one left pinned. */
export function xdpInstance({ state }: Config): string {
  const place = `${resolve(state)} ${statSync('/proc/self/ns/net').ino}`;
  return createHash('sha256').update(place).digest('hex').slice(0, 12);
}

/** Far above what clients ask, far below what would keep userspace from answering others. */
const SOURCE_BUDGET: SourceBudget = { perSecond: 50_000, burst: 50_000 };

async function userspace(name: 'portable' | 'batched', config: Config, log: Log): Promise<ChosenEngine['create']> {
  if (name === 'portable') {
    const { createPortableEngine } = await import('../engine/portable/portable.ts');
    return (sink, ids) => createPortableEngine({ sink, ids });
  }
  const { createBatchedEngine } = await import('../engine/batched/batched.ts');
  const { workers, gso, gro, uring } = config.batched;
  return (sink, ids) =>
    createBatchedEngine({
      sink,
      ids,
      seed: randomInt(2 ** 32),
      workers: workers === 0 ? usableProcessors() : workers,
      expectHeld: (config.forward ?? []).some(({ listen }) => listen.some(({ transport }) => transport !== 'udp')),
      gso,
      gro,
      uring,
      onFault: (error) =>
        log.error('a worker of the batched engine ended and is started again', { error: String(error) }),
    });
}
