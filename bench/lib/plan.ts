import { parseArgs } from 'node:util';
import type { RoundCounts } from './rounds.ts';

/** What one run measures, and how long. */
export interface CommonPlan extends RoundCounts {
  readonly quick: boolean;
  readonly forceLoopback: boolean;
  readonly contestants: readonly string[];
  /** Of Culvert; each is a contestant. */
  readonly engines: readonly string[];
  readonly parts: readonly string[];
  /** Of each measurement. */
  readonly seconds: number;
  /** Folder of the results; undefined = they are only printed. */
  readonly out: string | undefined;
}

/** What a benchmark lets one choose from. */
export interface Choices {
  readonly name: string;
  readonly contestants: readonly string[];
  readonly parts: readonly string[];
  /** Seconds of a measurement unless told otherwise. */
  readonly seconds?: number;
  /** Of Culvert unless told otherwise. */
  readonly engines?: string;
}

export function usageOf({
  name,
  contestants,
  parts,
  seconds = USUAL_SECONDS,
  engines = USUAL_ENGINE,
}: Choices): string {
  return [
    `usage: npm run bench -- ${name} [options]`,
    '  --quick           a few seconds, to see that all of it runs; its figures mean little and are not kept',
    `  --only A,B        contestants: ${contestants.join(', ')}`,
    ...(parts.length > 1 ? [`  --parts A,B       ${parts.join(', ')} (all)`] : []),
    `  --engines A,B     Culvert's engines, each a contestant (${engines})`,
    '  --rounds N        counted rounds (5)',
    `  --seconds S       length of each measurement (${seconds})`,
    '  --loopback        no network namespaces',
    '  --out FOLDER      where the results go (bench/results)',
  ].join('\n');
}

/** In place of a run. Usage that was asked for goes to standard output; else what is wrong to standard error. Returns the exit code. */
export function explain(args: readonly string[], fault: string, usage: string): number {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage);
    return 0;
  }
  console.error(`bench: ${fault}\n${usage}`);
  return 2;
}

/** The arguments → a plan, or what is wrong with them. */
export function planOf(args: string[], choices: Choices): CommonPlan | string {
  let given: ReturnType<typeof parse>;
  try {
    given = parse(args);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const names = given.only?.split(',') ?? choices.contestants;
  const unknown = names.find((name) => !choices.contestants.includes(name));
  if (unknown !== undefined) return `no contestant "${unknown}"`;
  const parts = given.parts?.split(',') ?? choices.parts;
  const unknownPart = parts.find((part) => !choices.parts.includes(part));
  if (unknownPart !== undefined) return `no part "${unknownPart}"; there are ${choices.parts.join(', ')}`;
  const engines = (given.engines ?? choices.engines ?? USUAL_ENGINE).split(',');
  const unknownEngine = engines.find((engine) => !ENGINES.includes(engine));
  if (unknownEngine !== undefined) return `no engine "${unknownEngine}"; there are ${ENGINES.join(', ')}`;
  const rounds = Number(given.rounds ?? (given.quick ? 1 : 5));
  const seconds = Number(given.seconds ?? (given.quick ? 0.2 : (choices.seconds ?? USUAL_SECONDS)));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) return '--rounds takes 1 to 100';
  if (!(seconds >= 0.1 && seconds <= 60)) return '--seconds takes 0.1 to 60';
  return {
    quick: given.quick,
    forceLoopback: given.loopback,
    contestants: choices.contestants.filter((name) => names.includes(name)),
    engines,
    parts: choices.parts.filter((part) => parts.includes(part)),
    rounds,
    discarded: given.quick ? 0 : 1,
    seconds,
    out: given.out ?? (given.quick ? undefined : 'bench/results'),
  };
}

/** Those of the contestants that the plan names. */
export function chosen<One extends { readonly name: string }>(plan: CommonPlan, contestants: readonly One[]): One[] {
  return contestants.filter(({ name }) => plan.contestants.includes(plainName(name)));
}

/** Without the engine that `perEngine` put behind it. */
export function plainName(name: string): string {
  const engine = name.startsWith('culvert-') ? ENGINES.find((candidate) => name.endsWith(`-${candidate}`)) : undefined;
  return engine === undefined ? name : name.slice(0, -engine.length - 1);
}

/** Contestants that are Culvert, one for each engine: the first has the plain name, which --only names for all. */
export function perEngine<One>(plan: CommonPlan, make: (name: string, engine: string) => One, base = 'culvert'): One[] {
  return plan.engines.map((engine, i) => make(i === 0 ? base : `${base}-${engine}`, engine));
}

function parse(args: string[]) {
  return parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      loopback: { type: 'boolean', default: false },
      only: { type: 'string' },
      parts: { type: 'string' },
      engines: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      out: { type: 'string' },
    },
  }).values;
}

const ENGINES: readonly string[] = ['auto', 'portable', 'batched', 'xdp'];
const USUAL_SECONDS = 1;
const USUAL_ENGINE = 'portable';
