import { createHash, randomInt } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import { createBatchedEngine } from '../engine/batched/batched.ts';
import { batchedObstacle, type Obstacle } from '../engine/batched/obstacle.ts';
import type { Engine, EngineSink } from '../engine/engine.ts';
import { createPortableEngine } from '../engine/portable/portable.ts';
import { DataPlane, type SourceBudget } from '../engine/xdp/data-plane.ts';
import { XdpEngine } from '../engine/xdp/xdp.ts';
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

/**
 * `auto` takes the best engine that works here, and says why a better one does not; a name is taken at its word. The xdp engine, which lays
 * hands on interfaces that are not the relay's alone, has to be named.
 */
export function chooseEngine(
  config: Config,
  log: Log,
  obstacle: () => Obstacle | undefined = batchedObstacle,
): EngineChoice {
  const { engine: wanted } = config;
  if (wanted === 'xdp') return chooseXdp(config, log, obstacle);
  if (wanted === 'portable') return { ok: true, engine: { why: 'as configured', create: portable } };
  const found = obstacle();
  if (found === undefined) {
    const why = wanted === 'auto' ? 'auto: the best but for xdp, which wants to be named' : 'as configured';
    return { ok: true, engine: { why, create: (sink, ids) => batched(config, log, sink, ids) } };
  }
  if (wanted === 'auto') {
    const why = `auto: batched does not run here, ${found.detail}`;
    return { ok: true, engine: { why, create: portable } };
  }
  return { ok: false, reason: `the ${wanted} engine does not run here: ${found.detail} (auto takes one that does)` };
}

/** The kernel's program is attached here and now, so that a machine where it cannot be is told before anything listens. */
function chooseXdp(config: Config, log: Log, obstacle: () => Obstacle | undefined): EngineChoice {
  const below = obstacle() === undefined ? 'batched' : 'portable';
  const options = {
    interfaces: xdpInterfaces(config.interfaces, listenerAddresses(config)),
    instance: xdpInstance(config),
    budget: SOURCE_BUDGET,
    log: (message: string) => log.warn(message),
  };
  const opened = DataPlane.open(options);
  if (!opened.ok) {
    const { detail, fix } = opened.obstacle;
    return { ok: false, reason: `the xdp engine does not run here: ${detail} (${fix})` };
  }
  const create = (sink: EngineSink, ids: IdSource): Engine => {
    const createInner = (inner: EngineSink): Engine =>
      below === 'batched' ? batched(config, log, inner, ids) : portable(inner, ids);
    return new XdpEngine(opened.plane, { ...options, sink, createInner });
  };
  return { ok: true, engine: { why: `as configured, on ${options.interfaces.join(', ')} above ${below}`, create } };
}

function listenerAddresses({ turn, wireguard, pair, forward }: Config): string[] {
  const forwards = (forward ?? []).flatMap(({ listen }) => listen);
  const listeners = [...(turn?.listen ?? []), ...(wireguard?.listen ?? []), ...(pair?.listen ?? []), ...forwards];
  return listeners.flatMap((listener) => ('local' in listener ? [listener.local.address] : []));
}

/** One relay to a state folder and a network namespace: another one must not take over what this one left pinned. */
function xdpInstance({ state }: Config): string {
  const place = `${resolve(state)} ${statSync('/proc/self/ns/net').ino}`;
  return createHash('sha256').update(place).digest('hex').slice(0, 12);
}

/** Far above what clients ask, far below what would keep userspace from answering others. */
const SOURCE_BUDGET: SourceBudget = { perSecond: 50_000, burst: 50_000 };

function portable(sink: EngineSink, ids: IdSource): Engine {
  return createPortableEngine({ sink, ids });
}

function batched(config: Config, log: Log, sink: EngineSink, ids: IdSource): Engine {
  const { workers, gso, gro, uring } = config.batched;
  return createBatchedEngine({
    sink,
    ids,
    seed: randomInt(2 ** 32),
    workers: workers === 0 ? usableProcessors() : workers,
    gso,
    gro,
    uring,
    onFault: (error) =>
      log.error('a worker of the batched engine ended and is started again', { error: String(error) }),
  });
}
