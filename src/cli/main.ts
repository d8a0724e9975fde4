import './lean-start.ts';
import { Command, CommanderError } from 'commander';
import { readVersion } from '../control/version.ts';
import { CommandFailure, complain, EXIT_FAILED, EXIT_USAGE } from './failure.ts';

/** One command a file. Only the one that is wanted is loaded: a relay that runs for months carries nothing of the others. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./up.ts')).upCommand(),
  down: async () => (await import('./down.ts')).downCommand(),
  config: async () => (await import('./config.ts')).configCommand(),
  import: async () => (await import('./import.ts')).importCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  clients: async () => (await import('./listing.ts')).clientsCommand(),
  flows: async () => (await import('./listing.ts')).flowsCommand(),
  block: async () => (await import('./block.ts')).blockCommand(),
  reload: async () => (await import('./reload.ts')).reloadCommand(),
  drain: async () => (await import('./drain.ts')).drainCommand(),
  credentials: async () => (await import('./credentials.ts')).credentialsCommand(),
  probe: async () => (await import('./probe.ts')).probeCommand(),
};

for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
await run(process.argv.slice(2));

async function run(given: readonly string[]): Promise<void> {
  const program = new Command('culvert')
    .description('One relay server for every peer that cannot reach another directly: STUN, TURN and more.')
    .version(readVersion(), '--version', 'print the version')
    .showHelpAfterError(false);
  const wanted = commands[given[0] ?? ''];
  for (const make of wanted === undefined ? Object.values(commands) : [wanted]) program.addCommand(await make());
  prepare(program);
  try {
    await program.parseAsync([...given], { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Commander's own messages take our form and our exit codes. */
function prepare(command: Command, name = command.name()): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => {
      const message = text
        .replace(/^error: /, '')
        .trim()
        .replaceAll('\n', ' ');
      const isFile =
        message.startsWith('too many arguments') && command.options.some(({ long }) => long === '--config');
      const more = isFile
        ? `a file is named with --config, "${name} --help" tells more`
        : `"${name} --help" tells more`;
      write(`culvert: ${message} (${more})\n`);
    },
  });
  for (const sub of command.commands) prepare(sub, `${name} ${sub.name()}`);
}

/** Whoever reads our output may stop reading ("culvert up | head"): that ends the output, not the relay. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function report(error: unknown): number {
  if (error instanceof CommandFailure) {
    for (const line of error.lines) complain(line);
    return error.exitCode;
  }
  if (error instanceof CommanderError) {
    // It has written its message already; its own code for wrong usage is 1.
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_FAILED;
}
