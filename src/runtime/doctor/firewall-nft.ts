import type { Chain, Firewall, Match, Rule } from './firewall-rules.ts';

/** The output of "nft -j list ruleset" (libnftables-json(5)); undefined when it is none. */
export function readNft(text: string): Firewall | undefined {
  const items = parse(text);
  if (items === undefined) return undefined;
  const sets = new Map<string, unknown>();
  const chains = new Map<string, Chain & { readonly rules: Rule[] }>();
  const entries: string[] = [];
  for (const { set, chain } of items) {
    if (set !== undefined) sets.set(nameOf(set, set.name), { set: set.elem ?? [] });
    if (chain === undefined) continue;
    const name = nameOf(chain, chain.name);
    const family = chain.family === 'ip' ? 4 : chain.family === 'ip6' ? 6 : undefined;
    chains.set(name, { rules: [], drops: chain.policy === 'drop', family });
    if (chain.hook === 'input' && ['ip', 'ip6', 'inet'].includes(String(chain.family))) entries.push(name);
  }
  for (const { rule } of items) {
    if (rule === undefined) continue;
    const read = readRule(rule, sets);
    if (read !== undefined) chains.get(nameOf(rule, rule.chain))?.rules.push(read);
  }
  return { entries, chains };
}

type Fields = Readonly<Record<string, unknown>>;

function parse(text: string): readonly Readonly<Record<string, Fields | undefined>>[] | undefined {
  try {
    const { nftables } = JSON.parse(text) as { nftables?: unknown };
    return Array.isArray(nftables) ? nftables : undefined;
  } catch {
    return undefined;
  }
}

/** Statements that only count or write are left out; a rule that decides nothing is undefined. */
function readRule(rule: Fields, sets: ReadonlyMap<string, unknown>): Rule | undefined {
  const matches: Match[] = [];
  for (const statement of (rule.expr ?? []) as readonly Fields[]) {
    const [[key, value] = ['', undefined]] = Object.entries(statement);
    if (key === 'match') matches.push(readMatch(value as Fields, (name) => sets.get(nameOf(rule, name))));
    else if (key === 'accept') return { matches, verdict: 'accept' };
    else if (key === 'drop' || key === 'reject') return { matches, verdict: 'drop' };
    else if (key === 'return') return { matches, verdict: 'return' };
    else if (key === 'jump' || key === 'goto') {
      const jump = nameOf(rule, (value as Fields).target);
      return { matches, verdict: { jump, returns: key === 'jump' } };
    }
    // A map may lead anywhere; unless it asks for the state of the connection, which rarely opens a port.
    else if (key === 'vmap') return isState((value as Fields).key) ? undefined : { matches: SOME, verdict: 'accept' };
    else if (!SILENT.has(key)) matches.push({ kind: 'some' });
  }
  return undefined;
}

function readMatch({ op, left, right }: Fields, setOf: (name: string) => unknown): Match {
  const { payload, meta } = left as { payload?: Fields; meta?: Fields };
  const values = valuesOf(typeof right === 'string' && right.startsWith('@') ? setOf(right.slice(1)) : right);
  if (values === undefined) return { kind: 'some' };
  if (isState(left)) return { kind: values.includes('new') === (op !== '!=') ? 'always' : 'never' };
  if (meta?.key === 'iif' || meta?.key === 'iifname') {
    if (values.every((value) => value === 'lo')) return { kind: op === '!=' ? 'always' : 'never' };
    return { kind: 'some' };
  }
  if (op !== '==' && op !== 'in') return { kind: 'some' };
  if (meta?.key === 'nfproto') return { kind: 'family', family: values.includes('ipv6') ? 6 : 4 };
  if (meta?.key === 'l4proto' || payload?.field === 'protocol' || payload?.field === 'nexthdr')
    return protocolMatch(values);
  if (payload?.field !== 'dport') return { kind: 'some' };
  const ranges = values.flatMap((value) => rangeOf(value) ?? []);
  // "th" is whatever it may be.
  return { kind: 'ports', ranges, ...(payload.protocol !== 'th' && { protocol: String(payload.protocol) }) };
}

function protocolMatch(values: readonly unknown[]): Match {
  return { kind: 'protocol', names: values.map((value) => NUMBERS[String(value)] ?? String(value)) };
}

function rangeOf(value: unknown): readonly (readonly [number, number])[] | undefined {
  if (typeof value === 'number') return [[value, value]];
  const range = (value as { range?: readonly number[] }).range;
  return range === undefined ? undefined : [[range[0] ?? 0, range[1] ?? 0]];
}

/** One value, a list, a set with its elements, or what cannot be read. */
function valuesOf(right: unknown): readonly unknown[] | undefined {
  if (Array.isArray(right)) return right;
  if (typeof right !== 'object' || right === null) return right === undefined ? undefined : [right];
  if ('set' in right) {
    return (right.set as readonly unknown[]).map((one) => (one as { elem?: { val?: unknown } }).elem?.val ?? one);
  }
  return [right];
}

function isState(left: unknown): boolean {
  return (left as { ct?: { key?: unknown } }).ct?.key === 'state';
}

/** Chains and sets are named within their table. */
function nameOf({ family, table }: Fields, name: unknown): string {
  return `${family} ${table} ${name}`;
}

const SOME: readonly Match[] = [{ kind: 'some' }];
const SILENT: ReadonlySet<string> = new Set(['counter', 'log', 'comment', 'notrack', 'mangle', 'meta']);
const NUMBERS: Readonly<Record<string, string>> = { 6: 'tcp', 17: 'udp' };
