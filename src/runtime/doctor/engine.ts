import type { Obstacle } from '../../engine/batched/obstacle.ts';
import type { XdpObstacle } from '../../engine/xdp/obstacle.ts';
import type { EnginePlan } from '../engine-plan.ts';
import { about, type Finding } from './finding.ts';

/** The answers of the engines' own probes. */
export interface EngineReadings {
  readonly wanted: 'auto' | 'portable' | 'batched' | 'xdp';
  readonly plan: EnginePlan;
  readonly batched: Obstacle | undefined;
  readonly xdp: XdpObstacle | undefined;
}

export interface EngineReport {
  readonly wanted: string;
  /** Null when the one that is asked for does not run. */
  readonly runs: string | null;
  readonly why: string;
  /** Those that are faster, fastest first. */
  readonly better: readonly BetterEngine[];
}

interface BetterEngine {
  readonly engine: 'xdp' | 'batched';
  /** "not-asked-for": it would run. Else the obstacle's. */
  readonly reason: string;
  readonly detail: string;
  readonly fix: string;
}

export function engineReport({ wanted, plan, batched, xdp }: EngineReadings): EngineReport {
  const runs = plan.ok && !(plan.name === 'xdp' && xdp !== undefined) ? plan.name : null;
  const absent = wanted === 'xdp' ? xdp : batched;
  const better: BetterEngine[] = [];
  if (runs !== 'xdp') better.push(xdp === undefined ? NOT_ASKED.xdp : { engine: 'xdp', ...xdp });
  const isBatched =
    runs === 'batched' || (runs === 'xdp' && plan.ok && plan.name === 'xdp' && plan.below === 'batched');
  if (!isBatched) {
    better.push(
      batched === undefined ? NOT_ASKED.batched : { engine: 'batched', ...batched, fix: BATCHED_FIXES[batched.reason] },
    );
  }
  return { wanted, runs, why: runs !== null && plan.ok ? plan.why : (absent?.detail ?? ''), better };
}

export function engineFindings({ wanted, runs, why, better }: EngineReport): Finding[] {
  const mend = better.find((one) => one.engine === wanted)?.fix;
  const chosen =
    runs === null
      ? engine('engine', 'problem', `${wanted} does not run here: ${why}`, `${mend}; or engine: auto`)
      : engine('engine', 'ok', `${runs} (${why})`);
  const others = better.filter((one) => one.engine !== wanted);
  return [
    chosen,
    ...others.map(({ engine: name, reason, detail, fix }) =>
      engine(name, 'note', reason === NOT_ASKED_FOR ? detail : `${name} does not run: ${detail}`, fix),
    ),
  ];
}

const engine = about('engine');
const NOT_ASKED_FOR = 'not-asked-for';

const NOT_ASKED: Readonly<Record<'xdp' | 'batched', BetterEngine>> = {
  xdp: {
    engine: 'xdp',
    reason: NOT_ASKED_FOR,
    detail: 'xdp would run: the kernel forwards by itself',
    fix: 'engine: auto',
  },
  batched: { engine: 'batched', reason: NOT_ASKED_FOR, detail: 'batched would run', fix: 'engine: auto' },
};

const BATCHED_FIXES: Readonly<Record<Obstacle['reason'], string>> = {
  machine: 'run it on Linux on x64, arm64, riscv64 or loong64',
  'no-ffi': 'install the optional package koffi, on a machine that it has binaries for',
  'no-library': 'run it where libc can be loaded: glibc or musl, linked dynamically',
  'no-function': 'run it with a newer libc',
  kernel: 'run a newer kernel, or allow the call in the seccomp profile of the container',
};
