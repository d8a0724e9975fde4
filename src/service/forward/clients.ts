import type { Endpoint } from '../../net/endpoint.ts';
import { UNIX_ENDPOINT } from '../../net/stream-target.ts';
import type { Millis } from '../../net/time.ts';
import type { ClientRecord } from '../client-record.ts';
import { totalUsage } from '../usage.ts';
import type { Connection } from './connection.ts';
import { cutConnection } from './connections.ts';
import type { Core } from './core.ts';
import type { Session } from './session.ts';
import { endSessions } from './sessions.ts';

export function* recordClients(core: Core): IterableIterator<ClientRecord> {
  for (const connection of core.connections) yield recordConnection(core, connection);
  for (const { sessions } of core.forwards.values()) {
    for (const session of sessions) yield recordSession(core, session);
  }
}

/** Whoever connected counts, and whoever a PROXY header says is behind it. Upstreams are the operator's own choice. */
export function applyBlocks(core: Core, now: Millis): void {
  const { connections, forwards, blocks } = core;
  const isBlocked = (ends: readonly Endpoint[]) =>
    ends.some((end) => end !== UNIX_ENDPOINT && blocks.isBlocked(end, now));
  for (const connection of [...connections]) {
    const { from, source } = connection;
    if (isBlocked([from, source])) cutConnection(core, connection);
  }
  for (const forward of forwards.values())
    endSessions(core, forward, ({ client, source }) => isBlocked([client, source]));
}

function recordConnection(
  core: Core,
  { listener, source, client, upstream, target, firstSeen }: Connection,
): ClientRecord {
  const bytes = (stream: typeof client | undefined) =>
    (stream === undefined ? undefined : core.carried.streamBytes(stream)) ?? 0;
  return {
    service: 'forward',
    id: listener.forward.rule.name,
    endpoint: source,
    transport: 'stream',
    listener: listener.local,
    ...(target && { via: [target.name] }),
    firstSeen,
    lastSeen: undefined,
    sent: { packets: 0, bytes: bytes(client) },
    received: { packets: 0, bytes: bytes(upstream) },
  };
}

function recordSession(core: Core, session: Session): ClientRecord {
  const { listener, source, target, firstSeen, usage, toUpstream, toClient } = session;
  return {
    service: 'forward',
    id: listener.forward.rule.name,
    endpoint: source,
    transport: 'udp',
    listener: listener.local,
    via: [target.name],
    firstSeen,
    ...totalUsage(usage, core.carried.flows, [toUpstream], [toClient]),
  };
}
