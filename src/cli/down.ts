import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import { askInstance } from '../runtime/instance-client.ts';
import { KernelTraces } from '../runtime/kernel-traces.ts';
import { removeTraces } from '../runtime/traces.ts';
import { CommandFailure, EXIT_FAILED } from './failure.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';

/** `culvert down`: ends the relay of a state folder; what it kept for the next start stays, unless it is purged. */
export function downCommand(): Command {
  const command = new Command('down')
    .description(
      'stop the relay that runs with the same state folder, without a drain; its clients are kept for the next',
    )
    .option('--purge', 'remove what it leaves for the next start as well; secrets and blocks stay');
  return withRelayOptions(command).action(down);
}

async function down(flags: RelayFlags & { readonly purge?: true }): Promise<void> {
  const { folder } = await RelayClient.find(flags);
  const pid = await stop(folder);
  const removed = flags.purge === true ? removeTraces(folder) : [];
  const forwarding = new KernelTraces(folder).present;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ stopped: pid !== undefined, pid, removed, forwarding })}\n`);
    return;
  }
  process.stdout.write(pid === undefined ? `no relay runs with ${folder}\n` : `stopped (process ${pid})\n`);
  for (const file of removed) process.stdout.write(`${verbFor(file)} ${file}\n`);
  if (forwarding) process.stdout.write(STILL_FORWARDING);
}

function verbFor(file: string): string {
  return file.startsWith('/proc/sys/') ? 'switched off' : 'removed';
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
const STILL_FORWARDING =
  'the kernel goes on forwarding for the clients it has, up to ten minutes, for the next start (culvert down --purge ends it)\n';
