import { randomInt } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import type { Engine, EngineSink } from '../engine/engine.ts';
import type { SourceBudget } from '../engine/xdp/data-plane.ts';
import { GENERIC_FIX, type XdpObstacle } from '../engine/xdp/obstacle.ts';
import type { IdSource } from '../net/ids.ts';
import { usableProcessors } from '../sys/cpu-quota.ts';
import { type EnginePlan, nextBest, OBSTACLES, type Obstacles, planEngine, type UserspacePlan } from './engine-plan.ts';
import { KernelTraces } from './kernel-traces.ts';
import { transparencyObstacle } from './transparency.ts';

export interface ChosenEngine {
  /** Why this one: for the banner and the log. */
  readonly why: string;
  /** What an xdp engine of this state folder leaves outside the process. */
  readonly traces: KernelTraces;
  create(sink: EngineSink, ids: IdSource): Engine;
}

export type EngineChoice =
  | { readonly ok: true; readonly engine: ChosenEngine }
  /** The one that was asked for by name does not run here. */
  | { readonly ok: false; readonly reason: string };

/**
 * As planned; xdp is attached here and now, so that a machine where it cannot be is told before anything listens. Only what runs is loaded:
 * the modules of an engine take 1 to 2 MB (measured).
 */
export async function chooseEngine(config: Config, log: Log, obstacles: Obstacles = OBSTACLES): Promise<EngineChoice> {
  const plan = planEngine(config, obstacles);
  if (!plan.ok) return plan;
  const obstacle = transparencyObstacle(config, obstacles.batched);
  if (obstacle !== undefined) return { ok: false, reason: `${obstacle.detail} (${obstacle.fix})` };
  const traces = new KernelTraces(config.state);
  if (plan.name !== 'xdp') return { ok: true, engine: await chosen(plan, config, log, traces) };
  const opened = await openXdp(config, log, traces, plan);
  if (opened.ok) return opened;
  const { detail, fix } = opened.obstacle;
  if (config.engine !== 'auto') return { ok: false, reason: `the xdp engine does not run here: ${detail} (${fix})` };
  return { ok: true, engine: await chosen(nextBest(opened.obstacle, obstacles.batched()), config, log, traces) };
}

async function chosen(plan: UserspacePlan, config: Config, log: Log, traces: KernelTraces): Promise<ChosenEngine> {
  return { why: plan.why, traces, create: await userspace(plan.name, config, log) };
}

async function openXdp(
  config: Config,
  log: Log,
  traces: KernelTraces,
  { why, below, interfaces }: Extract<EnginePlan, { name: 'xdp' }>,
): Promise<
  { readonly ok: true; readonly engine: ChosenEngine } | { readonly ok: false; readonly obstacle: XdpObstacle }
> {
  const [{ DataPlane }, { XdpEngine }] = await Promise.all([
    import('../engine/xdp/data-plane.ts'),
    import('../engine/xdp/xdp.ts'),
  ]);
  const options = {
    interfaces,
    instance: traces.instance,
    record: traces,
    budget: budgetOf(config),
    log: (message: string) => log.warn(message),
  };
  const opened = DataPlane.open(options);
  if (!opened.ok) return opened;
  const { plane } = opened;
  if (config.engine === 'auto' && plane.mode === 'generic' && !plane.adopted) {
    plane.close(false);
    return { ok: false, obstacle: { reason: 'generic', detail: 'no driver takes the program', fix: GENERIC_FIX } };
  }
  traces.begin();
  const createBelow = await userspace(below, config, log);
  const create = (sink: EngineSink, ids: IdSource): Engine => {
    const createInner = (inner: EngineSink): Engine => createBelow(inner, ids);
    return new XdpEngine(plane, { ...options, sink, createInner });
  };
  return { ok: true, engine: { why, traces, create } };
}

function budgetOf({ limits: { unmatched } }: Config): SourceBudget | undefined {
  const { perPrefix, burstSeconds } = unmatched;
  return perPrefix === 0 ? undefined : { perSecond: perPrefix, burst: perPrefix * burstSeconds };
}

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
