import { explain } from './lib/plan.ts';

/** Each takes the arguments behind its name and gives the exit code: 0 fine, 1 failed, 2 wrong usage. */
const benchmarks: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  turn: async (args) => (await import('./turn/turn.ts')).benchTurn(args),
  wireguard: async (args) => (await import('./wireguard/wireguard.ts')).benchWireguard(args),
  pair: async (args) => (await import('./pair/pair.ts')).benchPair(args),
  forward: async (args) => (await import('./forward/forward.ts')).benchForward(args),
  engines: async (args) => (await import('./engines/engines.ts')).benchEngines(args),
  guard: async (args) => (await import('./guard/guard.ts')).benchGuard(args),
  wire: async (args) => (await import('./wire.ts')).benchWire(args),
};

const [name = '', ...args] = process.argv.slice(2);
const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (benchmark === undefined) {
  const fault = name === '' ? 'no benchmark named' : `no benchmark "${name}"`;
  const known = Object.keys(benchmarks).map((one) => `  npm run bench -- ${one}`);
  process.exit(explain([name], fault, ['usage, one of these (each has --help):', ...known].join('\n')));
}
process.exit(await benchmark(args));
