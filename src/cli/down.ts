import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import { askInstance } from '../runtime/instance-client.ts';
import { removeTraces } from '../runtime/traces.ts';
import { type ConfigFlags, load, withConfigOptions } from './configuration.ts';
import { CommandFailure, EXIT_FAILED } from './failure.ts';

/** `culvert down`: ends the relay of a state folder; what it kept for the next start stays, unless it is purged. */
export function downCommand(): Command {
  const command = new Command('down')
    .description(
      'stop the relay that runs with the same state folder, without a drain; its clients are kept for the next',
    )
    .option('--purge', 'remove what it leaves for the next start as well; generated secrets stay')
    .option('--json', 'print what was done as one JSON object');
  return withConfigOptions(command).action(down);
}

async function down(flags: ConfigFlags & { readonly purge?: true; readonly json?: true }): Promise<void> {
  const { config } = await load(flags);
  const pid = await stop(config.state);
  const removed = flags.purge === true ? removeTraces(config.state) : [];
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ stopped: pid !== undefined, pid, removed })}\n`);
    return;
  }
  process.stdout.write(pid === undefined ? `no relay runs with ${config.state}\n` : `stopped (process ${pid})\n`);
  for (const file of removed) process.stdout.write(`removed ${file}\n`);
}

async function stop(state: string): Promise<number | undefined> {
  const asked = await askInstance(state, 'stop');
  if (asked === undefined) return undefined;
  const { pid, refused } = asked.answer;
  if (refused !== undefined) throw new CommandFailure([`the relay (process ${pid}) is ${refused}`], EXIT_FAILED);
  const inTime = await Promise.race([asked.ended.then(() => true), setTimeout(PATIENCE, false, { ref: false })]);
  asked.close();
  if (inTime) return pid;
  throw new CommandFailure([`the relay (process ${pid}) has not ended after ${PATIENCE / 1000} s`], EXIT_FAILED);
}

const PATIENCE = 30_000;
