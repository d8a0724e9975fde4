import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN_SOCKET_FILE } from '../control/admin/local-socket.ts';
import { SOCKET_FILE } from './instance-client.ts';
import { CLIENTS_FILE } from './keeper.ts';
import { KernelTraces } from './kernel-traces.ts';

/**
 * Removes what a relay that no longer runs has left, and names it. Secrets and settings stay: clients know them. An engine that leaves something
 * outside the process (pins in the kernel) has its entry here.
 */
export function removeTraces(state: string): string[] {
  return REMOVERS.flatMap((remove) => remove(state));
}

const REMOVERS: readonly ((state: string) => string[])[] = [(state) => new KernelTraces(state).remove(), removeFiles];

function removeFiles(state: string): string[] {
  const files = [CLIENTS_FILE, `${CLIENTS_FILE}.tmp`, SOCKET_FILE, ADMIN_SOCKET_FILE].map((name) => join(state, name));
  const there = files.filter((file) => existsSync(file));
  for (const file of there) rmSync(file, { force: true });
  return there;
}
