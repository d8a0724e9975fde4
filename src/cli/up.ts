import { Command } from 'commander';
import { formatFault } from '../control/config/faults.ts';
import { openLog } from '../control/log/log.ts';
import { formatBanner } from '../runtime/banner.ts';
import { logCrashes, runUntilStopped } from '../runtime/lifecycle.ts';
import type { RereadResult } from '../runtime/reloading.ts';
import { Supervisor } from '../runtime/supervisor.ts';
import { type ConfigFlags, load, read, withConfigOptions } from './configuration.ts';
import { CommandFailure, EXIT_FAILED } from './failure.ts';
import { startIsOver } from './lean-start.ts';

/** `culvert up`: runs the relay until a signal ends it. What runs is told on standard output, the log goes to standard error. */
export function upCommand(): Command {
  const command = new Command('up')
    .description(
      'run the relay; without a file TURN, the WireGuard relay and the pair relay run, with generated credentials',
    )
    .option('--engine <engine>', 'auto, portable, batched or xdp; wins over the file')
    .option('--takeover', 'take the place of the relay that runs with the same state folder: its clients go on')
    .option('--json', 'print what runs as one JSON object');
  return withConfigOptions(command).action(up);
}

async function up(flags: ConfigFlags & { readonly json?: true; readonly takeover?: true }): Promise<void> {
  const { config, tree, warnings } = await load(flags);
  const log = await openLog(config.log);
  logCrashes(log);
  for (const warning of warnings) log.warn(formatFault(warning));

  const result = await Supervisor.start({
    config,
    takeOver: flags.takeover === true,
    log,
    defaults: {
      turn: !tree.has(['turn', 'listen']),
      wireguard: !tree.has(['wireguard', 'listen']),
      pair: !tree.has(['pair', 'listen']),
    },
    reread: () => reread(flags),
  });
  if (!result.ok) throw new CommandFailure(result.reasons, EXIT_FAILED);
  const { supervisor } = result;
  const summary = supervisor.summary();
  // First: whoever waits for the table may stop us as soon as it is there.
  supervisor.runs(runUntilStopped(supervisor, log));
  process.stdout.write(flags.json ? `${JSON.stringify(summary)}\n` : formatBanner(summary));
  startIsOver();
  supervisor.trimMemory();
}

async function reread(flags: ConfigFlags): Promise<RereadResult> {
  const result = await read(flags);
  return result.ok
    ? { ok: true, config: result.config, warnings: result.warnings.map(formatFault) }
    : { ok: false, faults: result.faults.map(formatFault) };
}
