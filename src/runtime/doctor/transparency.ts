import type { Config } from '../../control/config/schema.ts';
import type { Family } from '../../net/address.ts';
import { type TransparencyObstacle, transparentForwards } from '../transparency.ts';
import type { CommandResult } from './command.ts';
import { about, type Finding } from './finding.ts';

export interface TransparencyReadings {
  readonly config: Pick<Config, 'forward'>;
  readonly obstacle: TransparencyObstacle | undefined;
  /** For each family that such a forward listens at: the table that takes packets to any address for this machine's; undefined where none does. */
  readonly tables: ReadonlyMap<Family, string | undefined>;
}

/** Nothing where no forward keeps its clients' addresses. */
export function transparencyFindings({ config, obstacle, tables }: TransparencyReadings): Finding[] {
  const names = transparentForwards(config).map(({ name }) => name);
  if (names.length === 0) return [];
  const right =
    obstacle === undefined
      ? forward('transparent', 'ok', `${names.join(', ')}: upstreams can be shown the addresses of clients`)
      : forward('transparent', 'problem', obstacle.detail, obstacle.fix);
  return [right, ...[...tables].map(([family, table]) => wayBack(family, table))];
}

/** Of the families at which they listen. `ip`: runs that tool. */
export async function localTables(
  config: Pick<Config, 'forward'>,
  ip: (args: readonly string[]) => Promise<CommandResult>,
): Promise<ReadonlyMap<Family, string | undefined>> {
  const listeners = transparentForwards(config).flatMap(({ listen }) => listen);
  const families = new Set(listeners.flatMap((listener) => ('family' in listener ? [listener.family] : [])));
  const found = new Map<Family, string | undefined>();
  for (const family of families) found.set(family, await localTable(family, ip));
  return found;
}

async function localTable(
  family: Family,
  ip: (args: readonly string[]) => Promise<CommandResult>,
): Promise<string | undefined> {
  const rules = (await list(ip, [`-${family}`, 'rule', 'show'])).map(({ table }) => String(table));
  for (const table of new Set(rules)) {
    if (KERNELS_OWN.includes(table)) continue;
    const routes = await list(ip, [`-${family}`, 'route', 'show', 'table', table]);
    if (routes.some(({ type }) => type === 'local')) return table;
  }
  return undefined;
}

async function list(
  ip: (args: readonly string[]) => Promise<CommandResult>,
  args: readonly string[],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const listed = await ip(['-j', ...args]);
  if (!listed.ok) return [];
  try {
    const entries: unknown = JSON.parse(listed.output);
    return Array.isArray(entries) ? entries : [];
  } catch {
    return [];
  }
}

function wayBack(family: Family, table: string | undefined): Finding {
  const name = `replies-ipv${family}`;
  if (table !== undefined)
    return forward(
      name,
      'ok',
      `IPv${family} replies of upstreams come back by table ${table} where they are marked (not looked at)`,
    );
  return forward(
    name,
    'note',
    `no table takes IPv${family} replies to clients for this machine's: they go past the relay`,
    `ip -${family} rule add fwmark 0x2a lookup 100; ip -${family} route add local default dev lo table 100; and a mark, see docs/forward.md`,
  );
}

const forward = about('forward');
const KERNELS_OWN = ['local', 'main', 'default'];
