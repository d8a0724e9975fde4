import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { KeptEntry } from '../kept.ts';
import { address, endpoint, fields, flag, text, whole } from '../kept-shape.ts';
import { mayCome } from './balance.ts';
import type { Core } from './core.ts';
import type { Forward, Listener } from './forward.ts';
import { startChecks } from './health.ts';
import { Session } from './session.ts';
import { begin } from './sessions.ts';
import { isSafeAnswer } from './upstream-filter.ts';
import { Target } from './upstreams.ts';

/**
 * A UDP session as a plain value that survives JSON; it is all that outlives a process, since connections end with theirs. Not in it: one
 * whose port is still being opened (the client's next datagram makes it again), budgets, counters.
 */
interface SessionRecord {
  readonly rule: string;
  /** endpointKey of the listener. */
  readonly listener: string;
  readonly client: Endpoint;
  readonly source: Endpoint;
  /** upstreamKey of the entry of `to`, and which of its addresses. */
  readonly upstream: string;
  readonly address: string;
  /** The source port towards the upstream. */
  readonly port: number;
  readonly answered: boolean;
}

export function* entriesOf(core: Core, sessions: Iterable<Session>): Iterable<KeptEntry> {
  for (const { listener, client } of sessions) {
    const isThere = core.listeners.has(listener.socket);
    const current = isThere ? core.sessionsAt(listener.socket).get(client.address, client.port) : undefined;
    const key = `${endpointKey(listener.local)} ${endpointKey(client)}`;
    yield { key, value: current && recordSession(current) };
  }
}

/**
 * Into a service that has its rules and listeners, and no sessions. Each asks for the port that it had. Whose rule, listener or upstream
 * is gone, or who may no longer come, is left out and counted. While the process was away nobody could be heard: all get their whole
 * time anew.
 */
export function restoreSessions(core: Core, records: readonly object[], now: Millis): void {
  const listeners = new Map<string, Listener>();
  for (const listener of core.listeners.values()) {
    listeners.set(`${listener.forward.rule.name} ${endpointKey(listener.local)}`, listener);
  }
  for (const record of records as readonly SessionRecord[]) {
    const listener = SESSION(record) ? listeners.get(`${record.rule} ${record.listener}`) : undefined;
    if (listener === undefined || !restoreSession(core, listener, record, now)) core.drop('restore-failed');
  }
}

function recordSession({ listener, client, source, target, local, answered }: Session): SessionRecord | undefined {
  if (local === undefined) return undefined;
  return {
    rule: listener.forward.rule.name,
    listener: endpointKey(listener.local),
    client: plain(client),
    source: plain(source),
    upstream: target.upstream.key,
    address: target.address,
    port: local.port,
    answered,
  };
}

function restoreSession(core: Core, listener: Listener, record: SessionRecord, now: Millis): boolean {
  const { forward } = listener;
  const { client, source, port, answered } = record;
  if (forward.rule.transport !== 'dgram' || listener.local.family !== client.family) return false;
  if (core.sessionsAt(listener.socket).get(client.address, client.port) !== undefined) return false;
  const target = findTarget(core, forward, record, now);
  if (target === undefined || !mayCome(forward, source, target)) return false;
  if (forward.admission.enter() !== undefined) return false;
  if (forward.admission.readmit(source) !== undefined) {
    forward.admission.leave();
    return false;
  }
  const session = new Session(listener, client, source, target, core.ids.socket(), now);
  session.answered = answered;
  session.kept = port;
  begin(core, session);
  return true;
}

/** A name has had no answer yet: its session stays where it was, and the address is one of the name's until there is an answer. */
function findTarget(
  core: Core,
  { upstreams }: Forward,
  { upstream: key, address }: SessionRecord,
  now: Millis,
): Target | undefined {
  const upstream = upstreams.find((one) => one.key === key);
  const known = upstream?.targets.find((target) => target.address === address);
  if (upstream === undefined || known !== undefined) return known;
  if (upstream.rule.kind !== 'name' || !isSafeAnswer(upstream.rule.name, address)) return undefined;
  const target = new Target(upstream, address);
  upstream.targets = [...upstream.targets, target];
  startChecks(core, target, now);
  return target;
}

function plain({ family, address, port }: Endpoint): Endpoint {
  return { family, address, port };
}

const SESSION = fields({
  rule: text,
  listener: text,
  client: endpoint,
  source: endpoint,
  upstream: text,
  address,
  port: whole(1, 65_535),
  answered: flag,
});
