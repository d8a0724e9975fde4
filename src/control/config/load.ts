import * as v from 'valibot';
import { readEnvFile, type Variable } from '../import/env-file.ts';
import { hasRelayLines } from '../import/port-relay.ts';
import { type CheckContext, checkAll } from './checks.ts';
import type { Fault } from './faults.ts';
import { resolvePaths } from './paths.ts';
import { readRelayLines } from './relay-lines.ts';
import { type Config, configSchema } from './schema.ts';
import { pathKey, SettingsTree } from './settings-tree.ts';
import { readEnvironment, readForeignEnvironment, readOverride } from './text-sources.ts';
import { findUnknownKeys } from './unknown-keys.ts';
import { readYamlFile } from './yaml-file.ts';

export interface ConfigSources {
  /** YAML file; without one TURN, the WireGuard relay and the pair relay are on with defaults, unless RELAY_N variables ask for forwards. */
  readonly file?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** File with variables; those of `environment` win. */
  readonly envFile?: string | undefined;
  /** Of `--engine`. */
  readonly engine?: string | undefined;
  /** Of `--state`. */
  readonly state?: string | undefined;
  /** `path=value` of each `--set`, later ones win. */
  readonly overrides: readonly string[];
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly config: Config;
      /** What was written, for `config print`. */
      readonly tree: SettingsTree;
      /** Not wrong, but hardly meant. */
      readonly warnings: readonly Fault[];
    }
  | {
      readonly ok: false;
      readonly faults: readonly Fault[];
      /** The state folder, unless a fault hides it: the relay that runs there can still be asked. */
      readonly state: string | undefined;
    };

/** All sources → one frozen configuration, or every fault of all of them at once. */
export async function loadConfig(sources: ConfigSources): Promise<LoadResult> {
  const tree = new SettingsTree();
  const { variables, environment, faults: unread } = readVariables(sources);
  const relayLines = hasRelayLines(variables);
  if (sources.file === undefined && !relayLines) {
    for (const service of ['turn', 'wireguard', 'pair']) tree.set([service], {}, () => ({ kind: 'default' }));
  }
  const faults = sources.file === undefined ? [] : await readYamlFile(sources.file, tree);
  faults.push(...unread, ...readEnvironment(environment, tree));
  if (relayLines) faults.push(...readRelayLines(variables, tree));
  if (sources.engine !== undefined) faults.push(...readOverride('--engine', `engine=${sources.engine}`, tree));
  if (sources.state !== undefined) faults.push(...readOverride('--state', `state=${sources.state}`, tree));
  for (const override of sources.overrides) faults.push(...readOverride('--set', override, tree));
  faults.push(...readForeignEnvironment(environment, tree));
  for (const fault of findUnknownKeys(tree)) faults.push(fault);

  const written = structuredClone(tree.root);
  const config = parseWhatIsSound(tree, faults);
  const isSound = (path: readonly string[]) => !faults.some((fault) => touches(fault.path, path));
  const context: CheckContext = { config, originOf: (path) => tree.originOf(path), isSound, written };
  resolvePaths(context);
  const { faults: found, warnings } = checkAll(context);
  for (const fault of found) faults.push(fault);
  if (faults.length > 0) {
    // Of a file that could not be read or made sense of nobody knows what it says of the folder.
    const isTold =
      tree.has(['state']) || !faults.some(({ origin, path }) => origin.kind === 'file' && path.length === 0);
    return { ok: false, faults: inOrder(faults), state: isTold && isSound(['state']) ? config.state : undefined };
  }
  return { ok: true, config: deepFreeze(config), tree, warnings };
}

function readVariables({ environment, envFile }: ConfigSources) {
  const { variables: ofFile, faults } = envFile === undefined ? { variables: [], faults: [] } : readEnvFile(envFile);
  const set = Object.entries(environment).flatMap(([name, value]): Variable[] =>
    value === undefined ? [] : [{ name, value, origin: { kind: 'environment', variable: name } }],
  );
  const variables = new Map([...ofFile, ...set].map((variable) => [variable.name, variable]));
  const merged = Object.fromEntries([...variables.values()].map(({ name, value }) => [name, value]));
  return { variables: [...variables.values()], environment: merged, faults };
}

/**
 * Takes out what is faulty until the rest parses: so the checks across sections still see everything else, and one run of the program
 * shows all faults.
 */
function parseWhatIsSound(tree: SettingsTree, faults: Fault[]): Config {
  // Every path at or above a fault: a set, because a broken file may have as many faults as lines.
  const blamed = new Set<string>();
  const blame = (path: readonly string[]) => {
    for (let length = path.length; length > 0; length--) blamed.add(pathKey(path.slice(0, length)));
  };
  for (const { path } of faults) {
    if (path.length > 0) tree.remove(path);
    blame(path);
  }
  for (;;) {
    const result = v.safeParse(configSchema, tree.root);
    if (result.success) return result.output;
    for (const issue of result.issues) {
      const path = (issue.path ?? []).map((item) => String(item.key));
      const isMissing = issue.type === 'strict_object' && issue.received === 'undefined';
      if (!blamed.has(pathKey(path))) {
        faults.push({ origin: tree.originOf(path), path, message: isMissing ? 'is missing' : issue.message });
        blame(path);
      }
      removeNearest(tree, isMissing ? path.slice(0, -1) : path);
    }
  }
}

/** Items of lists cannot be taken out alone: their list goes. */
function removeNearest(tree: SettingsTree, path: readonly string[]): void {
  for (let length = path.length; length > 0; length--) {
    const candidate = path.slice(0, length);
    if (!tree.has(candidate)) continue;
    tree.remove(candidate);
    return;
  }
}

function touches(faulty: readonly string[], path: readonly string[]): boolean {
  return faulty.length > 0 && (startsWith(faulty, path) || startsWith(path, faulty));
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.length <= path.length && start.every((key, index) => key === path[index]);
}

/** By source, then line: as one reads the file. */
function inOrder(faults: readonly Fault[]): Fault[] {
  const rank = (fault: Fault) => ['file', 'environment', 'override', 'default'].indexOf(fault.origin.kind);
  const line = (fault: Fault) => (fault.origin.kind === 'file' ? fault.origin.line : 0);
  return faults.toSorted((a, b) => rank(a) - rank(b) || line(a) - line(b));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
