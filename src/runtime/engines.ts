import { randomInt } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import { createBatchedEngine } from '../engine/batched/batched.ts';
import { batchedObstacle, type Obstacle } from '../engine/batched/obstacle.ts';
import type { Engine, EngineSink } from '../engine/engine.ts';
import { createPortableEngine } from '../engine/portable/portable.ts';
import type { IdSource } from '../net/ids.ts';
import { usableProcessors } from '../sys/cpu-quota.ts';

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
 * `auto` takes the best engine that works here, and says why a better one does not; a name is taken at its word. The configuration
 * refuses the names of engines to come.
 */
export function chooseEngine(
  config: Config,
  log: Log,
  obstacle: () => Obstacle | undefined = batchedObstacle,
): EngineChoice {
  const { engine: wanted } = config;
  if (wanted === 'portable') return { ok: true, engine: { why: 'as configured', create: portable } };
  const found = obstacle();
  if (found === undefined) {
    const why = wanted === 'auto' ? 'auto: the best of this version' : 'as configured';
    return { ok: true, engine: { why, create: (sink, ids) => batched(config, log, sink, ids) } };
  }
  if (wanted === 'auto') {
    const why = `auto: batched does not run here, ${found.detail}`;
    return { ok: true, engine: { why, create: portable } };
  }
  return { ok: false, reason: `the ${wanted} engine does not run here: ${found.detail} (auto takes one that does)` };
}

function portable(sink: EngineSink, ids: IdSource): Engine {
  return createPortableEngine({ sink, ids });
}

function batched(config: Config, log: Log, sink: EngineSink, ids: IdSource): Engine {
  const { workers, gso, gro } = config.batched;
  return createBatchedEngine({
    sink,
    ids,
    seed: randomInt(2 ** 32),
    workers: workers === 0 ? usableProcessors() : workers,
    gso,
    gro,
    onFault: (error) =>
      log.error('a worker of the batched engine ended and is started again', { error: String(error) }),
  });
}
