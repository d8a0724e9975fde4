import type { ClientRecord } from '../client-record.ts';
import { totalUsage } from '../usage.ts';
import type { Core } from './core.ts';
import { lastSeen } from './members.ts';
import type { Remote } from './remote.ts';

export function* recordClients(core: Core): IterableIterator<ClientRecord> {
  for (const remote of core.table.clients) yield recordClient(core, remote);
}

function recordClient(core: Core, remote: Remote): ClientRecord {
  const { client, keys, endpoint, socket } = remote;
  const routes = [...remote.routes.values()];
  const carried = totalUsage(
    remote.received,
    core.flows,
    routes.map(({ flow }) => flow),
    routes.map(({ back }) => back?.flow),
  );
  return {
    service: 'wireguard',
    names: keys.map(({ name }) => name),
    publicKeys: keys.map(({ publicKey }) => Buffer.from(publicKey).toString('base64')),
    proven: remote.proof !== undefined,
    endpoint,
    transport: 'udp',
    listener: core.listeners.get(socket),
    firstSeen: client?.firstSeen ?? 0,
    lastSeen: lastSeen(core, remote),
    sent: {
      packets: carried.sent.packets + (client?.packets ?? 0),
      bytes: carried.sent.bytes + (client?.bytes ?? 0),
    },
    received: carried.received,
  };
}
