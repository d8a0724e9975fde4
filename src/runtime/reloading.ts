import type { Config } from '../control/config/schema.ts';

/** What the configuration says when it is read again. Faults and warnings are lines for people. */
export type RereadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly string[] };

export interface Changes {
  /** Keys that are taken over now. */
  readonly now: readonly string[];
  /** Keys that wait for a restart. */
  readonly afterRestart: readonly string[];
}

/** `started`: what listeners, engine and log were made from; `running`: what was taken over last. */
export function compareConfigs(started: Config, running: Config, read: Config): Changes {
  return {
    now: changedKeys(running, read).filter(takesEffect),
    afterRestart: changedKeys(started, read).filter((key) => !takesEffect(key)),
  };
}

/** Keys of the running relay that need no restart; a section stands for all that is in it. */
const LIVE = ['forward', 'turn', 'pair', 'wireguard', 'limits.block', 'limits.unauthenticated', 'log.level'];
/** But not these of them. */
const FIXED = [
  'turn.listen',
  'turn.tls',
  'turn.relay.ipv4',
  'turn.relay.ipv6',
  'pair.listen',
  'pair.buffers',
  'wireguard.listen',
  'wireguard.proof.privateKey',
];

const WHOLE = ['turn', 'pair', 'wireguard', 'wireguard.proof'];

function takesEffect(key: string): boolean {
  // A section as a whole has come or gone: its listeners would have to.
  if (WHOLE.includes(key)) return false;
  const isIn = (section: string) => key === section || key.startsWith(`${section}.`);
  return LIVE.some(isIn) && !FIXED.some(isIn);
}

/** Never their values, which may be secrets. */
function changedKeys(before: Config, after: Config): string[] {
  return compare(before, after, [], 0).toSorted();
}

function compare(before: unknown, after: unknown, path: readonly string[], depth: number): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (path[0] === 'forward' && path.length === 1) return compareForwards(before, after);
  if (!isSection(before) || !isSection(after) || depth === DEEPEST || isMap(path)) return [path.join('.')];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => compare(before[key], after[key], [...path, key], depth + 1));
}

/** By name: `forward.mail`. */
function compareForwards(before: unknown, after: unknown): string[] {
  const byName = (list: unknown) =>
    new Map(((list ?? []) as NonNullable<Config['forward']>).map((one) => [one.name, JSON.stringify(one)]));
  const [was, is] = [byName(before), byName(after)];
  const names = new Set([...was.keys(), ...is.keys()]);
  return [...names].filter((name) => was.get(name) !== is.get(name)).map((name) => `forward.${name}`);
}

/** Its keys are the user's, not ours. */
function isMap(path: readonly string[]): boolean {
  return path.join('.') === 'turn.users';
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

const DEEPEST = 3;
