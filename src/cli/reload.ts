import { Command } from 'commander';
import type { ReloadReport } from '../control/admin/operations.ts';
import { complain, EXIT_FAILED } from './failure.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';

/** `culvert reload`: a running relay reads its own configuration again, and says what came of it. */
export function reloadCommand(): Command {
  const command = new Command('reload').description(
    'have a running relay read its configuration again; a faulty one changes nothing',
  );
  return withRelayOptions(command).action(reload);
}

async function reload(flags: RelayFlags): Promise<void> {
  const relay = await RelayClient.find(flags);
  const { status, value } = await relay.ask('POST', 'reload', {});
  const report = value as unknown as ReloadReport & { readonly error?: string };
  if (report.error !== undefined) {
    complain(report.error);
    process.exitCode = EXIT_FAILED;
    return;
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else tell(report);
  if (status !== 200 || !report.ok) process.exitCode = EXIT_FAILED;
}

function tell({ changed, needsRestart, faults, warnings, failures }: ReloadReport): void {
  for (const warning of warnings) complain(`warning: ${warning}`);
  for (const fault of [...faults, ...failures]) complain(fault);
  if (faults.length > 0) {
    complain('nothing was changed: the configuration is faulty');
    return;
  }
  const news = changed.length === 0 ? 'Nothing changed.' : `Changed: ${changed.join(', ')}`;
  const late = needsRestart.length === 0 ? '' : `Waits for a restart: ${needsRestart.join(', ')}\n`;
  process.stdout.write(`${news}\n${late}`);
}
