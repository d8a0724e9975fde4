import { didYouMean, type Fault, formatPath, type Origin } from './faults.ts';
import type { SettingsTree } from './settings-tree.ts';
import { allKeys, type Shape, shapeAt } from './shape.ts';

/** Lays every CULVERT_ variable over the tree: CULVERT_TURN_QUOTA_PER_USER is turn.quota.perUser. */
export function readEnvironment(environment: NodeJS.ProcessEnv, tree: SettingsTree): Fault[] {
  const faults: Fault[] = [];
  const keys = new Map([...allKeys()].map(([path]) => [variableOf(path), path]));
  for (const [variable, text] of Object.entries(environment).sort()) {
    if (!variable.startsWith(PREFIX) || text === undefined) continue;
    const origin: Origin = { kind: 'environment', variable };
    const path = keys.get(variable);
    if (path !== undefined) faults.push(...putText(path, text, origin, tree));
    else if (!notOurs.test(variable)) {
      faults.push({ origin, path: [], message: unknownVariable(variable, keys.keys()) });
    }
  }
  return faults;
}

/** Variables of the programs that Culvert replaces. They give a setting to a service that is on anyway, unless ours give it. */
export function readForeignEnvironment(environment: NodeJS.ProcessEnv, tree: SettingsTree): Fault[] {
  return FOREIGN_VARIABLES.flatMap(([variable, service, path, convert = (text: string) => text]) => {
    const text = environment[variable];
    const given = tree.originOf(path).kind;
    const isOurs = tree.has(path) && (given === 'environment' || given === 'override');
    if (text === undefined || !tree.has([service]) || isOurs) return [];
    return putText(path, convert(text), { kind: 'environment', variable }, tree);
  });
}

/** Lays one `path=value` of the command line over the tree. */
export function readOverride(argument: '--set' | '--engine' | '--state', given: string, tree: SettingsTree): Fault[] {
  const equals = given.indexOf('=');
  const name = equals < 0 ? given : given.slice(0, equals);
  const origin: Origin = { kind: 'override', argument };
  if (equals < 1)
    return [{ origin, path: [name], message: 'must be path=value, such as --set turn.realm=example.org' }];
  const path = name.split('.');
  if (shapeAt(path) === undefined) {
    const candidates = [...allKeys()].map(([known]) => formatPath(known));
    return [{ origin, path: [name], message: unknownKey(name, candidates) }];
  }
  return putText(path, given.slice(equals + 1), origin, tree);
}

/** turn.quota.perUser → CULVERT_TURN_QUOTA_PER_USER */
export function variableOf(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_');
}

export function unknownKey(name: string, candidates: Iterable<string>): string {
  const near = didYouMean(name, candidates);
  return near === undefined
    ? 'is not a known key ("culvert config schema" lists them)'
    : `is not a known key (did you mean "${near}"?)`;
}

const PREFIX = 'CULVERT_';

/** Variable, the service that it is for, the key that it sets, and how its text reads there. */
const FOREIGN_VARIABLES: readonly (readonly [string, string, readonly string[], ((text: string) => string)?])[] = [
  ['LANRAGE_RELAY_PORT', 'wireguard', ['wireguard', 'listen'], (port) => `udp://0.0.0.0:${port},udp://[::]:${port}`],
  ['LANRAGE_RELAY_IP', 'wireguard', ['public', 'ipv4']],
  ['UDP_RELAY_SECRET_KEY', 'pair', ['pair', 'secret']],
];

/** Of the test suite, and what Kubernetes sets for a service that is called culvert. */
const notOurs =
  /^CULVERT_(REQUIRE$|TEST_|BENCH_)|_SERVICE_(HOST|PORT)(_|$)|^CULVERT_([A-Z0-9_]+_)?PORT(_\d+_(TCP|UDP)(_|$)|$)/;

function unknownVariable(variable: string, known: Iterable<string>): string {
  const near = didYouMean(variable, known);
  return near === undefined
    ? 'is no setting of Culvert (unset it)'
    : `is no setting of Culvert (did you mean ${near}?)`;
}

function putText(path: readonly string[], text: string, origin: Origin, tree: SettingsTree): Fault[] {
  const shape = shapeAt(path);
  const value = shape === undefined ? text : coerce(text, shape);
  if (value === undefined) {
    return [{ origin, path, message: 'must be a JSON object, such as {"name":"value"}' }];
  }
  tree.set(path, value, () => origin);
  return [];
}

/** What the text says, by what the key wants. Text that does not fit is passed on: the schema says what is wrong with it. */
function coerce(text: string, shape: Shape): unknown {
  const { kinds } = shape;
  if (kinds.has('section') || kinds.has('map'))
    return parseJson(text, (value) => value !== null && !Array.isArray(value));
  if (kinds.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (kinds.has('list')) {
    if (text.startsWith('[')) return parseJson(text, Array.isArray) ?? text;
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }
  if (kinds.has('number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text;
}

function parseJson(text: string, fits: (value: object | null) => boolean): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && fits(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
