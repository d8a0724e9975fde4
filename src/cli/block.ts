import { Command, InvalidArgumentError } from 'commander';
import type { BlockView } from '../control/admin/operations.ts';
import { parseCidr, parseDuration } from '../control/config/units.ts';
import { complain } from './failure.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';
import { formatUntil, Table } from './table.ts';

/** `culvert block add|remove|list`: who is dropped without an answer, by all services. */
export function blockCommand(): Command {
  const block = new Command('block').description(
    'block addresses at a running relay: they are dropped without an answer',
  );
  withRelayOptions(
    block
      .command('add')
      .description('block from now on; who is blocked loses what he has. Kept over a restart')
      .argument('<prefix...>', 'addresses or CIDR blocks', addPrefix)
      .option('--for <duration>', 'such as 30m, 1h or 7d; without it until it is removed', checkDuration)
      .option('--reason <text>', 'for whoever reads the list'),
  ).action(add);
  withRelayOptions(
    block
      .command('remove')
      .description('let them in again; what the configuration blocks must be taken out there')
      .argument('<prefix...>', 'as they were blocked', addPrefix),
  ).action(remove);
  withRelayOptions(block.command('list').description('show who is blocked, by whom and for how long')).action(list);
  return block;
}

interface AddFlags extends RelayFlags {
  readonly for?: string;
  readonly reason?: string;
}

interface Changed {
  readonly prefix: string;
  readonly kept: boolean;
}

async function add(prefixes: readonly string[], flags: AddFlags): Promise<void> {
  const { for: duration, reason } = flags;
  await change(prefixes, flags, 'blocked', (relay, prefix) =>
    relay.change('POST', 'blocks', { prefix, ...(duration && { for: duration }), ...(reason && { reason }) }),
  );
}

async function remove(prefixes: readonly string[], flags: RelayFlags): Promise<void> {
  await change(prefixes, flags, 'no longer blocked', (relay, prefix) => relay.change('DELETE', 'blocks', { prefix }));
}

/** One after the other; the first that is refused ends it. */
async function change(
  prefixes: readonly string[],
  flags: RelayFlags,
  done: string,
  act: (relay: RelayClient, prefix: string) => Promise<Changed>,
): Promise<void> {
  const relay = await RelayClient.find(flags);
  const changed: Changed[] = [];
  for (const prefix of prefixes) {
    const one = await act(relay, prefix);
    changed.push(one);
    if (!flags.json) process.stdout.write(`${one.prefix} ${done}\n`);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ changed })}\n`);
  if (changed.some(({ kept }) => !kept))
    complain('the state folder cannot be written: this does not outlive a restart');
}

async function list(flags: RelayFlags): Promise<void> {
  const { blocks } = await (await RelayClient.find(flags)).get<{ blocks: BlockView[] }>('blocks');
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ blocks })}\n`);
    return;
  }
  if (blocks.length === 0) {
    process.stdout.write('Nobody is blocked.\n');
    return;
  }
  const rows = blocks.map(({ prefix, by, note, expiresAt }) => [
    prefix,
    BY[by],
    expiresAt === null ? 'until removed' : formatUntil(expiresAt),
    note,
  ]);
  process.stdout.write(new Table(['prefix', 'blocked by', 'ends', 'reason']).format(rows));
}

const BY: Readonly<Record<BlockView['by'], string>> = {
  configured: 'configuration',
  manual: 'command',
  rate: 'strikes',
};

function addPrefix(text: string, earlier: string[] | undefined): string[] {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.reason);
  return [...(earlier ?? []), text];
}

function checkDuration(text: string): string {
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value > 0) return text;
  throw new InvalidArgumentError('A duration such as 30m, 1h or 7d is expected.');
}
