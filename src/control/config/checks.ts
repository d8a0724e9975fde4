import { checkAdmin } from './check-admin.ts';
import { checkAvailability } from './check-availability.ts';
import { checkForward } from './check-forward.ts';
import { checkListeners } from './check-listeners.ts';
import { checkPair } from './check-pair.ts';
import { checkTls } from './check-tls.ts';
import { checkTurn } from './check-turn.ts';
import { checkWireguard } from './check-wireguard.ts';
import type { Fault, Origin } from './faults.ts';
import type { Config } from './schema.ts';
import type { Section } from './settings-tree.ts';

/** What a check across keys sees. */
export interface CheckContext {
  readonly config: Config;
  originOf(path: readonly string[]): Origin;
  /** False when the key is faulty already: what rests on it is not judged. */
  isSound(path: readonly string[]): boolean;
  /** All that was written, the faulty too. */
  readonly written: Section;
}

/** A check adds what it finds; the origin is looked up by the path. */
export interface Findings {
  fault(path: readonly string[], message: string): void;
  warn(path: readonly string[], message: string): void;
}

export type Check = (context: CheckContext, findings: Findings) => void;

export function checkAll(context: CheckContext): { faults: Fault[]; warnings: Fault[] } {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const into = (list: Fault[]) => (path: readonly string[], message: string) =>
    void list.push({ origin: context.originOf(path), path, message });
  for (const check of checks) check(context, { fault: into(faults), warn: into(warnings) });
  return { faults, warnings };
}

const checks: readonly Check[] = [
  checkAvailability,
  checkListeners,
  checkTls,
  checkTurn,
  checkWireguard,
  checkPair,
  checkForward,
  checkAdmin,
];
