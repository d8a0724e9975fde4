import { Command } from 'commander';
import type { DrainReport } from '../control/admin/operations.ts';
import { CommandFailure } from './failure.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';
import { formatCount } from './table.ts';

interface DrainFlags extends RelayFlags {
  readonly wait?: true;
}

/** `culvert drain`: a running relay takes nobody new, so that it can be stopped when the last is gone. */
export function drainCommand(): Command {
  const command = new Command('drain')
    .description('have a running relay take nobody new and say "not ready"; it runs on until it is stopped')
    .option('--wait', 'end when nobody is left');
  return withRelayOptions(command).action(drain);
}

async function drain(flags: DrainFlags): Promise<void> {
  const relay = await RelayClient.find(flags);
  let { drain: report } = await relay.change<{ drain: DrainReport }>('POST', 'drain');
  tell(report, flags);
  while (flags.wait && report.left > 0) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    const next = await look(relay);
    if (next === undefined) break;
    if (next.left !== report.left) tell(next, flags);
    report = next;
  }
}

/** Undefined when the relay has ended meanwhile: then nobody is left either. */
async function look(relay: RelayClient): Promise<DrainReport | undefined> {
  try {
    return (await relay.get<{ drain: DrainReport | null }>('drain')).drain ?? undefined;
  } catch (error) {
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

function tell(report: DrainReport, { json }: DrainFlags): void {
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${describe(report)}\n`);
}

function describe({ left, services }: DrainReport): string {
  const waiting = services.filter(({ drains }) => drains).map((one) => `${one.service} ${formatCount(one.left)}`);
  const others = services.filter(({ drains, left: there }) => !drains && there > 0);
  const note = others.map((one) => `; ${one.service} is not waited for (${formatCount(one.left)})`).join('');
  return `draining: ${formatCount(left)} left${waiting.length > 0 ? ` (${waiting.join(', ')})` : ''}${note}`;
}

const LOOK_EVERY = 500;
