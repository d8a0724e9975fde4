import { Command, Option } from 'commander';
import type { DrainReport } from '../control/admin/operations.ts';
import { CommandFailure, EXIT_FAILED } from './failure.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';
import { formatCount } from './table.ts';

interface DrainFlags extends RelayFlags {
  readonly wait?: true;
  readonly undo?: true;
}

/** `culvert drain`: a running relay takes nobody new, so that it can be stopped when the last is gone. */
export function drainCommand(): Command {
  const command = new Command('drain')
    .description('have a running relay take nobody new and say "not ready"; it runs on until it is stopped')
    .addOption(new Option('--wait', 'return only when nobody is left').conflicts('undo'))
    .option('--undo', 'have it take new clients again');
  return withRelayOptions(command).action(drain);
}

async function drain(flags: DrainFlags): Promise<void> {
  const relay = await RelayClient.find(flags);
  if (flags.undo) return undo(relay, flags);
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

async function undo(relay: RelayClient, { json }: DrainFlags): Promise<void> {
  const report = await relay.change<{ undone: boolean }>('DELETE', 'drain');
  const told = report.undone ? 'new clients are taken again' : 'it was not draining: new clients are taken';
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${told}\n`);
}

/** Undefined when the relay has ended meanwhile: then nobody is left either. */
async function look(relay: RelayClient): Promise<DrainReport | undefined> {
  const answer = await relay.get<{ drain: DrainReport | null }>('drain').catch((error: unknown) => {
    if (error instanceof CommandFailure) return undefined;
    throw error;
  });
  if (answer?.drain === null) throw new CommandFailure(['the drain was undone: new clients are taken'], EXIT_FAILED);
  return answer?.drain;
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
