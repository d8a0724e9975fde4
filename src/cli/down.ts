import { accessSync, constants } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import { askInstance, socketPath } from '../runtime/instance-client.ts';
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
  const relay = await RelayClient.find(flags);
  const { folder } = relay;
  const removed: string[] = [];
  let pid: number | undefined;
  try {
    // Who may not look would be told that there is none.
    if (isThere(socketPath(folder))) pid = await stop(folder);
    if (flags.purge) removed.push(...removeTraces(folder));
  } catch (error) {
    throw isRefusal(error) ? relay.failure(error.code) : error;
  }
  const forwarding = new KernelTraces(folder).present;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ stopped: pid !== undefined, pid, removed, forwarding })}\n`);
    return;
  }
  process.stdout.write(pid === undefined ? `no relay runs with ${folder}\n` : `stopped (process ${pid})\n`);
  for (const file of removed) process.stdout.write(`${verbFor(file)} ${file}\n`);
  if (forwarding) process.stdout.write(STILL_FORWARDING);
}

/** Throws where this user may not know, or not use it. */
function isThere(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (isRefusal(error)) throw error;
    return false;
  }
}

function isRefusal(error: unknown): error is Error & { readonly code: 'EACCES' | 'EPERM' } {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
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
