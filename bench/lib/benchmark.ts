import type { Arena } from './arena.ts';
import { openArena } from './arena.ts';
import type { RunFacts } from './format.ts';
import { keep } from './keep.ts';
import { type CommonPlan, explain, plainName, planOf, usageOf } from './plan.ts';
import { Progress } from './progress.ts';
import type { Contestant, Relay } from './relay.ts';
import { plot, report } from './report.ts';
import { alternate, attempt, type RoundCounts, type Rounds } from './rounds.ts';
import type { Target } from './targets.ts';

/** One column of a kind's table: a figure of a sample, and how the median of all is written. */
export interface Column<Sample> {
  readonly heading: string;
  value(sample: Sample): number;
  show(value: number): string;
  /** A column follows for each reference, with the ratio to it. */
  readonly compared?: boolean;
}

/** What is measured in the same way in several cells. The first column of those with `plot` is drawn. */
export interface Kind<Sample> {
  readonly key: string;
  readonly title: string;
  /** What the figures mean, for who reads only the tables. */
  readonly note: string;
  readonly columns: readonly Column<Sample>[];
  /** Contestants that the others' ratios are to. */
  readonly references: readonly string[];
  /** What a longer bar means; absent = not drawn. */
  readonly plot?: 'more is better' | 'less is better';
}

/** One measurement, of each contestant of its stage, or of those named in `only`. */
export interface Trial<Sample = unknown> {
  readonly kind: Kind<Sample>;
  readonly cell: string;
  readonly only?: readonly string[];
  take(arena: Arena, relay: Relay, seconds: number, name: string): Promise<Sample>;
}

/** Trials whose contestants run side by side, started before and stopped after; idle ones cost nothing. */
export interface Stage {
  readonly name: string;
  readonly contestants: readonly Contestant[];
  readonly trials: readonly Trial[];
  /** A fresh process for each sample, none thrown away, and so many of them: for memory. */
  readonly fresh?: number;
}

export interface Benchmark {
  /** As in `npm run bench -- name`. */
  readonly name: string;
  readonly title: string;
  /** Whoever can be named with --only; `culvert` stands for it with every engine of --engines. */
  readonly contestants: readonly string[];
  /** Stages by name, for --parts. */
  readonly parts: readonly string[];
  /** Of Culvert, unless --engines says otherwise. */
  readonly engines?: string;
  /** What is sent, for the head of the results. */
  readonly traffic?: string;
  stages(plan: CommonPlan): readonly Stage[];
  targets(results: Results): readonly Target[];
}

/** Everything that was measured, raw; the tables are made from it. Kept as JSON beside them. */
export interface Results extends RunFacts {
  readonly benchmark: string;
  readonly trials: readonly Measured[];
}

interface Measured {
  readonly kind: string;
  readonly cell: string;
  readonly samples: Rounds<unknown>;
}

/** Runs a benchmark by its arguments and prints the tables. Exit code: 0 fine, 1 something went wrong, 2 wrong usage. */
export async function runBenchmark(benchmark: Benchmark, args: string[]): Promise<number> {
  const plan = planOf(args, benchmark);
  if (typeof plan === 'string') {
    return explain(args, plan, usageOf(benchmark));
  }
  try {
    return await runPlan(benchmark, plan);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function runPlan(benchmark: Benchmark, plan: CommonPlan): Promise<number> {
  const { arena, machine } = await openArena(plan.forceLoopback);
  const faults: string[] = [];
  const versions: Record<string, string> = {};
  const trials: Measured[] = [];
  const stages = benchmark.stages(plan).filter(({ name }) => plan.parts.includes(name));
  const progress = new Progress(stages.reduce((sum, stage) => sum + steps(stage, plan), 0));
  for (const stage of stages) {
    const measured = await (stage.fresh === undefined ? measureTogether : measureFresh)(arena, plan, stage, {
      faults,
      versions,
      progress,
    });
    trials.push(...measured);
  }
  progress.end();
  if (trials.every(({ samples }) => Object.keys(samples).length === 0)) {
    throw new Error(`nobody could be measured: ${faults.join('; ')}`);
  }
  const results: Results = {
    benchmark: benchmark.name,
    date: new Date().toISOString(),
    machine,
    path: arena.topology.kind === 'namespaces' ? 'network namespaces joined by veth' : 'loopback',
    cores: { load: arena.loadCore, relay: arena.relayCore },
    rounds: plan.rounds,
    seconds: plan.seconds,
    quick: plan.quick,
    ...(benchmark.traffic === undefined ? {} : { traffic: benchmark.traffic }),
    versions,
    faults,
    trials,
  };
  const kinds = new Map(stages.flatMap((stage) => stage.trials.map(({ kind }) => [kind.key, kind])));
  const text = report(benchmark, [...kinds.values()], results);
  console.log(text);
  const name =
    plan.parts.length === benchmark.parts.length ? benchmark.name : [benchmark.name, ...plan.parts].join('-');
  if (plan.out !== undefined) keep(plan.out, name, results, text, plot(benchmark, [...kinds.values()], results));
  return faults.length === 0 ? 0 : 1;
}

interface Notes {
  readonly faults: string[];
  readonly versions: Record<string, string>;
  readonly progress: Progress;
}

interface Running {
  readonly name: string;
  readonly relay: Relay;
}

async function measureTogether(arena: Arena, plan: CommonPlan, stage: Stage, notes: Notes): Promise<Measured[]> {
  const running: Running[] = [];
  for (const contestant of stage.contestants) {
    await attempt(contestant.name, notes.faults, async () => {
      running.push({ name: contestant.name, relay: await contestant.start(arena) });
      notes.versions[contestant.name] = contestant.version();
    });
  }
  const measured: Measured[] = [];
  for (const trial of stage.trials) {
    const taking = running.filter(({ name }) => takesPart(trial, name));
    const samples = await alternate(taking, plan, notes.faults, ({ name, relay }) => {
      notes.progress.step(`${name}, ${trial.kind.title.toLowerCase()}, ${trial.cell}`);
      return takeAwake(arena, trial, relay, plan.seconds, name);
    });
    measured.push({ kind: trial.kind.key, cell: trial.cell, samples });
  }
  for (const { relay } of running) await relay.stop();
  return measured;
}

async function measureFresh(arena: Arena, plan: CommonPlan, stage: Stage, notes: Notes): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const trial of stage.trials) {
    const samples: Rounds<unknown> = {};
    for (let round = 0; round < (stage.fresh ?? 1); round++) {
      for (const { name, start, version } of stage.contestants) {
        if (!takesPart(trial, name)) continue;
        notes.progress.step(`${name}, ${trial.kind.title.toLowerCase()}, ${trial.cell}`);
        await attempt(name, notes.faults, async () => {
          const relay = await start(arena);
          notes.versions[name] = version();
          try {
            samples[name] = [...(samples[name] ?? []), await takeAwake(arena, trial, relay, plan.seconds, name)];
          } finally {
            await relay.stop();
          }
        });
      }
    }
    measured.push({ kind: trial.kind.key, cell: trial.cell, samples });
  }
  return measured;
}

async function takeAwake(arena: Arena, trial: Trial, relay: Relay, seconds: number, name: string): Promise<unknown> {
  await relay.rest?.end();
  try {
    return await trial.take(arena, relay, seconds, name);
  } finally {
    await relay.rest?.begin();
  }
}

function steps({ trials, contestants, fresh }: Stage, { rounds, discarded }: RoundCounts): number {
  const each = fresh ?? discarded + rounds;
  return trials.reduce((sum, trial) => sum + each * contestants.filter(({ name }) => takesPart(trial, name)).length, 0);
}

function takesPart({ only }: Trial, name: string): boolean {
  return only === undefined || only.includes(plainName(name));
}

/** Whatever its engine and configuration. */
export function isCulvert(name: string): boolean {
  return name === 'culvert' || name.startsWith('culvert-');
}
