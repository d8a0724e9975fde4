import { type Command, Option } from 'commander';
import { formatFault } from '../control/config/faults.ts';
import { type ConfigSources, type LoadResult, loadConfig } from '../control/config/load.ts';
import { CommandFailure, EXIT_USAGE } from './failure.ts';

export interface ConfigFlags {
  readonly config?: string;
  readonly envFile?: string;
  readonly engine?: string;
  readonly state?: string;
  readonly set: readonly string[];
}

export type Loaded = Extract<LoadResult, { ok: true }>;

/** Options of every command that reads the configuration. */
export function withConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', 'YAML file with settings')
    .option('--env-file <file>', 'file with environment variables, such as that of port-relay; those that are set win')
    .option('--state <folder>', "the relay's state folder; default: what its configuration says")
    .addOption(
      new Option('--set <path=value>', 'one setting, such as turn.realm=example.org; may be repeated')
        .default([], 'none')
        .argParser((value: string, earlier: string[]) => [...earlier, value]),
    );
}

/** The configuration, or the end of the command with every fault. */
export async function load(flags: ConfigFlags): Promise<Loaded> {
  const result = await read(flags);
  if (result.ok) return result;
  throw new CommandFailure(result.faults.map(formatFault), EXIT_USAGE);
}

export function read({ config, envFile, engine, state, set }: ConfigFlags): Promise<LoadResult> {
  const sources: ConfigSources = { file: config, envFile, engine, state, overrides: set, environment: process.env };
  return loadConfig(sources);
}
