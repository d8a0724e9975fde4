import { Command } from 'commander';
import { formatFault } from '../control/config/faults.ts';
import { configJsonSchema } from '../control/config/json-schema.ts';
import { printable, printYaml } from '../control/config/print.ts';
import { type ConfigFlags, load, withConfigOptions } from './configuration.ts';
import { complain } from './failure.ts';

/** `culvert config check|print|schema`. */
export function configCommand(): Command {
  const config = new Command('config').description('check, show and describe the configuration');
  const check = withConfigOptions(config.command('check').description('list every fault of a configuration'));
  check.argument('[file]', 'YAML file; instead of --config').action(checkConfig);
  const print = withConfigOptions(config.command('print').description('show what holds, secrets masked'));
  print.argument('[file]', 'YAML file; instead of --config').option('--json', 'as JSON').action(printConfig);
  config.command('schema').description('print the JSON Schema of the configuration file').action(printSchema);
  return config;
}

async function checkConfig(file: string | undefined, flags: ConfigFlags): Promise<void> {
  const { warnings } = await load(withFile(file, flags));
  for (const warning of warnings) complain(`warning: ${formatFault(warning)}`);
  const named = file ?? flags.config ?? flags.envFile;
  const what = named === undefined ? ': defaults and environment, since no file was named' : '';
  process.stdout.write(`The configuration is good${what}.\n`);
}

async function printConfig(file: string | undefined, flags: ConfigFlags & { readonly json?: true }): Promise<void> {
  const { tree } = await load(withFile(file, flags));
  process.stdout.write(flags.json ? `${JSON.stringify(printable(tree), null, 2)}\n` : await printYaml(tree));
}

async function printSchema(): Promise<void> {
  process.stdout.write(`${JSON.stringify(await configJsonSchema(), null, 2)}\n`);
}

function withFile(file: string | undefined, flags: ConfigFlags): ConfigFlags {
  return file === undefined ? flags : { ...flags, config: file };
}
