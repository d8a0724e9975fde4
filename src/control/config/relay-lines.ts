import type { Variable } from '../import/env-file.ts';
import { readPortRelay } from '../import/port-relay.ts';
import type { Fault, Origin } from './faults.ts';
import type { SettingsTree } from './settings-tree.ts';

/** Lays the forwards of RELAY_N variables behind those that are there already. */
export function readRelayLines(variables: readonly Variable[], tree: SettingsTree): Fault[] {
  const { forwards, logLevel, faults } = readPortRelay(variables);
  const given = Array.isArray(tree.root.forward) ? tree.root.forward : [];
  // Asked before the list is replaced, which forgets where its items came from.
  const origins: Origin[] = given.map((_, index) => tree.originOf(['forward', String(index)]));
  for (const { origin } of forwards) origins.push(origin);
  if (forwards.length > 0) {
    const all = [...given, ...forwards.map(({ written }) => written)];
    tree.set(['forward'], all, (path) => origins[Number(path[1] ?? 0)] ?? { kind: 'default' });
  }
  if (logLevel !== undefined && !tree.has(['log', 'level'])) {
    tree.set(['log', 'level'], logLevel.level, () => logLevel.origin);
  }
  return [...faults];
}
