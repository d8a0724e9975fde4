import { benchTurn } from './turn/turn.ts';
import { benchWire } from './wire.ts';

/** Each takes the arguments behind its name and gives the exit code: 0 fine, 1 failed, 2 wrong usage. */
const benchmarks: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  turn: benchTurn,
  wire: benchWire,
};

const [name = '', ...args] = process.argv.slice(2);
const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (benchmark === undefined) {
  console.error(`bench: ${name === '' ? 'no benchmark named' : `no benchmark "${name}"`}; there are:`);
  for (const known of Object.keys(benchmarks)) console.error(`  npm run bench -- ${known}`);
  process.exit(2);
}
process.exit(await benchmark(args));
