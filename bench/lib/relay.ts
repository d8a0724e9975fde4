import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Child } from './child.ts';

/** How the load reaches its peer through a relay; the names that bench/load knows. */
export type Protocol = 'self' | 'turn' | 'ports' | 'forward' | 'pair' | 'wireguard';

/** A relay that runs. */
export interface Relay {
  readonly protocol: Protocol;
  /** `address:port` that clients send to. */
  readonly front: string;
  /** With `ports`: `address:port` of the first port that the peer sends to. */
  readonly back?: string;
  /** Its CPU time and memory are those of this process and its children; 0 when it is none, but a part of the kernel. */
  readonly pid: number;
  readonly stop: () => Promise<void>;
  /** Around each measurement, of what would slow the others down while it only stands there. */
  readonly rest?: { readonly end: () => Promise<void>; readonly begin: () => Promise<void> };
}

/** Somebody who can be measured. */
export interface Contestant {
  readonly name: string;
  /** What runs under the name, for the head of the results. */
  readonly version: () => string;
  readonly start: (arena: Arena) => Promise<Relay>;
}

/** A contestant that cannot run here; the message says why, and which package to install. */
export class ContestantMissingError extends Error {
  override readonly name = 'ContestantMissingError';
}

const READY_MS = 15_000;

/** Waits until `ready` has come true; a relay that ends before, or does not serve, is stopped and named with what it said. */
export async function whenReady(
  name: string,
  child: Child,
  ready: Promise<unknown>,
  milliseconds: number = READY_MS,
): Promise<void> {
  let done = false;
  let fault: unknown;
  ready.then(
    () => (done = true),
    (error: unknown) => (fault = error),
  );
  for (const limit = performance.now() + milliseconds; performance.now() < limit; await sleep(20)) {
    if (child.hasEnded()) throw new ContestantMissingError(`${name} ended at once${tail(child)}`);
    if (done) return;
    if (fault !== undefined) break;
  }
  await child.stop();
  const why = fault === undefined ? 'was not ready in time' : `does not serve: ${String(fault)}`;
  throw new ContestantMissingError(`${name} ${why}${tail(child)}`);
}

/** What a command prints about itself; empty when it cannot be asked. */
export function said(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch {
    return '';
  }
}

/** The line that most likely says why: our own and coturn's errors name themselves, a stack trace does not end with its message. */
function tail(child: Child): string {
  const lines = (child.stderr().trim() || child.stdout().trim()).split('\n');
  const line = lines.find((candidate) => /error|culvert:|emerg|alert/i.test(candidate)) ?? lines.at(-1) ?? '';
  return line === '' ? '' : `: ${line.trim()}`;
}
