import { Command } from 'commander';
import { formatFault } from '../control/config/faults.ts';
import { readEnvFile } from '../control/import/env-file.ts';
import { hasRelayLines, readPortRelay } from '../control/import/port-relay.ts';
import { CommandFailure, complain, EXIT_USAGE } from './failure.ts';

/** `culvert import port-relay FILE`: prints our configuration for the files of programs that Culvert replaces. */
export function importCommand(): Command {
  const command = new Command('import').description('turn the settings of another relay into our configuration');
  command
    .command('port-relay')
    .description('print our YAML for a .env file of port-relay (RELAY_1="in_port;out_port;out_host;TCP" ...)')
    .argument('<file>', 'its .env file')
    .option('--partial', 'print what can be used although some lines are faulty')
    .action(importPortRelay);
  return command;
}

async function importPortRelay(file: string, { partial = false }: { readonly partial?: boolean }): Promise<void> {
  const { variables, faults: unread } = readEnvFile(file);
  const { forwards, logLevel, faults } = readPortRelay(variables);
  const lines = [...unread, ...faults].map(formatFault);
  if (unread.every(({ origin }) => origin.kind === 'file' && origin.line > 0) && !hasRelayLines(variables))
    lines.push(`${file}: has no line RELAY_1="in_port;out_port;out_host;TCP"`);
  if (lines.length > 0 && !(partial && forwards.length > 0)) throw new CommandFailure(lines, EXIT_USAGE);
  for (const line of lines) complain(`left out: ${line}`);
  const { stringify } = await import('yaml');
  const written = {
    forward: forwards.map(({ written }) => written),
    ...(logLevel && { log: { level: logLevel.level } }),
  };
  process.stdout.write(
    `# Made from ${file} by "culvert import port-relay".\n${stringify(written, { aliasDuplicateObjects: false })}`,
  );
}
