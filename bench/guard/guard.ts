import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../lib/child.ts';
import { compileFrames } from '../lib/compile.ts';
import { table } from '../lib/format.ts';
import { chooseCores, type MachineFacts, machineFacts } from '../lib/machine.ts';
import { root } from '../lib/paths.ts';
import { explain } from '../lib/plan.ts';
import type { GuardFigures } from './worker.ts';

/** What is committed beside this file. */
interface Committed {
  readonly date: string;
  readonly machine: MachineFacts;
  readonly figures: GuardFigures;
}

const FILE = join(root, 'bench/guard/figures.json');
/** Test runs of one program differ by some percent between two starts of it: the memory that it lies in is another. */
const SUSPICIOUS = 1.15;
const USAGE = `usage: npm run bench -- guard [options]
  --quick      fewer runs; its figures mean little
  --write      commit to these figures: they go to bench/guard/figures.json`;

/** `npm run bench -- guard`: nanoseconds a packet of the program in the kernel, for each kind of flow, beside the committed ones. */
export async function benchGuard(args: string[]): Promise<number> {
  let given: { quick: boolean; write: boolean };
  try {
    const options = { quick: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } } as const;
    given = parseArgs({ args, options }).values;
  } catch (error) {
    return explain(args, error instanceof Error ? error.message : String(error), USAGE);
  }
  try {
    const machine = await machineFacts();
    const figures = await measure(given.quick);
    console.log(report(figures, machine, committed()));
    if (given.write) {
      const text = JSON.stringify(
        { date: new Date().toISOString(), machine, figures } satisfies Committed,
        undefined,
        1,
      );
      writeFileSync(FILE, `${text}\n`);
    }
    return 0;
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** In a process of its own, which enters a network namespace. */
async function measure(quick: boolean): Promise<GuardFigures> {
  const { wrap, limit } = await compileFrames();
  const worker = join(root, 'bench/guard/worker.ts');
  const pinned = ['taskset', '-c', String(chooseCores()[1])];
  const text = await run([...pinned, process.execPath, worker, wrap, limit, quick ? '20000' : '300000'], 240_000);
  return JSON.parse(text) as GuardFigures;
}

function committed(): Committed | undefined {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Committed;
  } catch {
    return undefined;
  }
}

/** Exported for the tests. */
export function report(figures: GuardFigures, machine: MachineFacts, before: Committed | undefined): string {
  const scale = before === undefined ? Number.NaN : figures.reference / before.figures.reference;
  const rows = Object.entries(figures.kinds).map(([kind, nanoseconds]) => {
    const old = before?.figures.kinds[kind];
    const ratio = old === undefined ? Number.NaN : nanoseconds / old;
    const scaled = ratio / scale;
    return [
      kind,
      nanoseconds.toFixed(0),
      old?.toFixed(0) ?? '–',
      factor(ratio),
      scaled > SUSPICIOUS ? `**${factor(scaled)}**` : factor(scaled),
    ];
  });
  const columns = ['packet', 'ns', 'committed ns', 'ratio', 'ratio, machine taken out'];
  return [
    `# Program in the kernel, ns a packet\n`,
    `- ${machine.cpu}, Linux ${machine.kernel}; a bare rewrite takes ${figures.rewrite.toFixed(0)} ns, with putting the packet back ${figures.reference.toFixed(0)}${before === undefined ? '' : `, which took ${before.figures.reference.toFixed(0)} when the committed figures were taken (${before.date.slice(0, 10)})`}`,
    `- BPF_PROG_TEST_RUN; what it costs to put the packet back is taken off\n`,
    table(columns, rows),
  ].join('\n');
}

function factor(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)}×` : '–';
}
