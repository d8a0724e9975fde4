import { Command, InvalidArgumentError, Option } from 'commander';
import { SERVICES } from '../control/admin/api.ts';
import type { ClientView, FlowView } from '../control/admin/operations.ts';
import { complain } from './failure.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';
import { formatAgo, formatBytes, formatCount, Table } from './table.ts';

interface ListFlags extends RelayFlags {
  readonly service?: string;
  readonly limit: number;
}

/** How one kind of thing is listed. */
interface Kind<T> {
  readonly name: 'clients' | 'flows';
  /** In place of a table without rows. */
  readonly none: string;
  readonly titles: readonly string[];
  row(value: T, now: number): readonly string[];
  /** The larger come first. */
  rank(value: T): number;
}

/** `culvert clients`: who is there, most recently seen first. */
export function clientsCommand(): Command {
  return listCommand(CLIENTS, 'list the clients of a running relay, those seen last first');
}

/** `culvert flows`: what the engine forwards by itself, the busiest first. */
export function flowsCommand(): Command {
  return listCommand(FLOWS, 'list what the engine of a running relay forwards by itself, the busiest first');
}

const CLIENTS: Kind<ClientView> = {
  name: 'clients',
  none: 'No clients',
  titles: ['service', 'client', 'who', 'came in at', 'via', 'first seen', 'last seen', '>sent', '', '>received', ''],
  row: ({ service, endpoint, id, names, publicKeys, listener, via, firstSeen, lastSeen, sent, received }, now) => [
    service,
    endpoint,
    names.length > 0 ? names.join(', ') : (id ?? publicKeys.join(', ')),
    listener ?? '-',
    via.join(', '),
    formatAgo(firstSeen, now),
    formatAgo(lastSeen, now),
    formatCount(sent.packets),
    formatBytes(sent.bytes),
    formatCount(received.packets),
    formatBytes(received.bytes),
  ],
  rank: ({ firstSeen, lastSeen }) => Date.parse(lastSeen ?? firstSeen),
};

const FLOWS: Kind<FlowView> = {
  name: 'flows',
  none: 'No flows',
  titles: ['service', 'direction', 'from', 'at', 'selector', 'via', 'to', '>packets', '>bytes', 'last seen'],
  row: ({ service, direction, from, at, selector, via, to, packets, bytes, lastSeen }, now) => [
    service,
    direction,
    from,
    at,
    selector,
    via,
    to,
    formatCount(packets),
    formatBytes(bytes),
    formatAgo(lastSeen, now),
  ],
  rank: ({ packets }) => packets,
};

function listCommand<T>(kind: Kind<T>, description: string): Command {
  const command = new Command(kind.name)
    .description(description)
    .addOption(new Option('--service <service>', 'only those of one service').choices([...SERVICES]))
    .addOption(
      new Option('--limit <count>', 'at most so many lines, 0 = all as they come').default(100).argParser(parseLimit),
    );
  return withRelayOptions(command).action((flags: ListFlags) => list(kind, flags));
}

async function list<T>(kind: Kind<T>, flags: ListFlags): Promise<void> {
  const relay = await RelayClient.find(flags);
  const service = flags.service === undefined ? '' : `&service=${flags.service}`;
  const values = relay.list<T>(`${kind.name}?limit=0${service}`);
  const json = flags.json === true;
  const written =
    flags.limit === 0 ? await printAll(kind, values, json) : await printBest(kind, values, flags.limit, json);
  if (written === 0 && !json)
    await print(`${kind.none}${flags.service === undefined ? '' : ` of ${flags.service}`}.\n`);
}

/** In pieces, as they come: their number, which is returned, does not matter. */
async function printAll<T>(kind: Kind<T>, values: AsyncIterable<T>, json: boolean): Promise<number> {
  const table = new Table(kind.titles);
  let piece: T[] = [];
  let written = 0;
  const flush = async () => {
    const text = json
      ? piece.map((value, index) => `${written + index === 0 ? '' : ','}\n${JSON.stringify(value)}`).join('')
      : table.format(piece.map((value) => kind.row(value, Date.now())));
    written += piece.length;
    piece = [];
    await print(text);
  };
  if (json) await print(`{${JSON.stringify(kind.name)}:[`);
  for await (const value of values) {
    if (piece.push(value) === PIECE) await flush();
  }
  if (piece.length > 0) await flush();
  if (json) await print(`\n],"total":${written}}\n`);
  return written;
}

/** Only those that may still be among the first are kept meanwhile. Returns how many there are. */
async function printBest<T>(kind: Kind<T>, values: AsyncIterable<T>, limit: number, json: boolean): Promise<number> {
  let best: T[] = [];
  let total = 0;
  const cut = () => {
    best = best.sort((a, b) => kind.rank(b) - kind.rank(a)).slice(0, limit);
  };
  for await (const value of values) {
    total += 1;
    if (best.push(value) >= 2 * limit + PIECE) cut();
  }
  cut();
  if (json) {
    await print(`${JSON.stringify({ [kind.name]: best, total })}\n`);
    return total;
  }
  const now = Date.now();
  if (total > 0) await print(new Table(kind.titles).format(best.map((value) => kind.row(value, now))));
  if (total > best.length) {
    complain(`these are ${formatCount(best.length)} of ${formatCount(total)} (--limit 0 shows all)`);
  }
  return total;
}

/** At the pace of whoever reads. */
async function print(text: string): Promise<void> {
  if (process.stdout.write(text) || process.stdout.destroyed) return;
  await new Promise<void>((resolve) => {
    process.stdout.once('drain', resolve);
    process.stdout.once('close', resolve);
  });
}

function parseLimit(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A whole number is expected, 0 = all.');
}

const PIECE = 1000;
