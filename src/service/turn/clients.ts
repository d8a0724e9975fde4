import { endpointKey } from '../../net/endpoint.ts';
import type { FlowId } from '../../net/ids.ts';
import type { ClientRecord } from '../client-record.ts';
import { totalUsage } from '../usage.ts';
import type { Allocation } from './allocation.ts';
import { each } from './chain.ts';
import type { Core } from './core.ts';
import { isUdp } from './table.ts';

/** Connections without an allocation are no clients yet. */
export function* recordClients(core: Core): IterableIterator<ClientRecord> {
  for (const allocation of core.table.all()) yield recordAllocation(core, allocation);
}

function recordAllocation(core: Core, allocation: Allocation): ClientRecord {
  const { client, user, ipv4, ipv6, firstSeen } = allocation;
  const sending: (FlowId | undefined)[] = [];
  const receiving: (FlowId | undefined)[] = [];
  for (const { toPeer, toClient, partner } of each(allocation.channels)) {
    sending.push(toPeer);
    receiving.push(toClient, partner?.channel.toPeer);
  }
  const { lastSeen, ...counts } = totalUsage(allocation.usage, core.flows, sending, receiving);
  const via = [ipv4, ipv6].flatMap((relay) => (relay === undefined ? [] : [endpointKey(relay.advertised)]));
  return {
    service: 'turn',
    id: user,
    endpoint: client.endpoint,
    transport: isUdp(client) ? 'udp' : 'stream',
    listener: (isUdp(client) ? core.listeners : core.streamListeners).get(client.socket),
    via,
    firstSeen,
    lastSeen: Math.max(firstSeen, lastSeen),
    ...counts,
  };
}
