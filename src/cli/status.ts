import { Command } from 'commander';
import type { ForwardView, ServiceView, Status, Traffic } from '../control/admin/operations.ts';
import { RelayClient, type RelayFlags, withRelayOptions } from './relay-client.ts';
import { formatAgo, formatBytes, formatCount, formatDuration, formatUntil, Table } from './table.ts';

/** `culvert status`: what a relay that runs does, on one page. */
export function statusCommand(): Command {
  const command = new Command('status').description(
    'show what a running relay does: listeners, services, forwards, blocks',
  );
  return withRelayOptions(command).action(async (flags: RelayFlags) => {
    const status = await (await RelayClient.find(flags)).get<Status>('status');
    process.stdout.write(flags.json ? `${JSON.stringify(status)}\n` : formatStatus(status));
  });
}

export function formatStatus(status: Status, now = Date.now()): string {
  const { listeners, services, forwards } = status;
  const sections = [
    head(status),
    section(
      'Listeners',
      new Table(['service', 'transport', 'address', 'forward']),
      listeners.map(({ service, transport, local, name }) => [service, transport, local, name ?? '']),
    ),
    section(
      'Services',
      new Table(['service', '>clients', '>flows', '>to peers', '', '>to clients', '', '>dropped']),
      services.map(serviceRow),
    ),
    section('Dropped', new Table(['service', 'reason', '>packets']), dropRows(status)),
    section(
      'Forwards',
      new Table(['forward', 'state', '>in use', 'upstream', 'state', 'since', 'next look', 'reason']),
      forwards.flatMap((forward) => forwardRows(forward, now)),
    ),
  ];
  return `${sections.filter((text) => text !== '').join('\n')}`;
}

function head({ version, uptimeSeconds, state, pid, engine, stateFolder, admin, blocks, drain }: Status): string {
  const rows = [
    ['state', drain === null ? state : `${state}: ${formatCount(drain.left)} left`],
    ['up', `${formatDuration(uptimeSeconds)} (process ${pid})`],
    ['engine', `${engine.name}, ${engine.mode} (${engine.why})`],
    ['state folder', stateFolder],
    ['admin', admin === null ? 'off' : `http://${admin}`],
    ['blocks', `${formatCount(blocks.count)} (${formatCount(blocks.refused)} packets refused)`],
  ];
  return new Table([`Culvert ${version}`, '']).format(rows).replace(/^ {2}/, '');
}

function section(title: string, table: Table, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `${title}\n${table.format(rows)}`;
}

function serviceRow({ service, clients, flows, toPeer, toClient, drops }: ServiceView): string[] {
  const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
  return [
    service,
    formatCount(clients),
    formatCount(flows),
    ...traffic(toPeer),
    ...traffic(toClient),
    formatCount(dropped),
  ];
}

function traffic({ packets, bytes }: Traffic): [string, string] {
  return [formatCount(packets), formatBytes(bytes)];
}

function dropRows({ services, engineDrops }: Status): string[][] {
  const named = [...services.map(({ service, drops }) => [service, drops] as const), ['engine', engineDrops] as const];
  return named.flatMap(([service, drops]) =>
    Object.entries(drops)
      .sort(([, a], [, b]) => b - a)
      .map(([reason, count]) => [service, reason, formatCount(count)]),
  );
}

function forwardRows({ name, down, inUse, upstreams }: ForwardView, now: number): string[][] {
  return upstreams.map((upstream, index) => [
    ...(index === 0 ? [name, down ? 'down' : 'up', formatCount(inUse)] : ['', '', '']),
    upstream.name,
    upstream.state,
    formatAgo(upstream.since, now),
    formatUntil(upstream.nextTryAt, now),
    upstream.reason ?? '',
  ]);
}
