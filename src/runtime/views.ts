import type { ClientView, FlowView, UpstreamView } from '../control/admin/operations.ts';
import type { FlowReport } from '../engine/engine.ts';
import type { Discriminator } from '../flow/flow.ts';
import { endpointKey } from '../net/endpoint.ts';
import type { Millis } from '../net/time.ts';
import type { ClientRecord } from '../service/client-record.ts';
import type { UpstreamState } from '../service/forward/upstream-state.ts';

/** What the API shows of a client, a flow, an upstream. */
export function viewClient(record: ClientRecord): ClientView {
  const { service, id, names, publicKeys, endpoint, transport, listener, via, firstSeen, lastSeen, sent, received } =
    record;
  return {
    service,
    id: id ?? null,
    names: names ?? [],
    publicKeys: publicKeys ?? [],
    proven: record.proven ?? false,
    endpoint: endpointKey(endpoint),
    transport,
    listener: listener === undefined ? null : endpointKey(listener),
    via: via ?? [],
    firstSeen: new Date(firstSeen).toISOString(),
    lastSeen: time(lastSeen),
    sent,
    received,
  };
}

export function viewFlow({ flow, packets, bytes, lastSeen }: FlowReport): FlowView {
  const { id, service, direction, match, rewrite } = flow;
  return {
    id,
    service,
    direction,
    from: endpointKey(match.remote),
    at: endpointKey(match.local),
    via: endpointKey(rewrite.local),
    to: endpointKey(rewrite.remote),
    selector: selector(match.discriminator),
    packets,
    bytes,
    lastSeen: time(lastSeen),
  };
}

export function viewUpstream(upstream: UpstreamState): UpstreamView {
  const { name, address, up, checked, state, since, reason, nextAt, active } = upstream;
  return {
    name,
    address: address ?? null,
    up,
    checked,
    state,
    since: time(since),
    reason: reason ?? null,
    nextTryAt: time(nextAt),
    active,
  };
}

function selector(discriminator: Discriminator): string {
  switch (discriminator.kind) {
    case 'none':
      return '';
    case 'channel':
      return `channel 0x${discriminator.channel.toString(16)}`;
    case 'receiver':
      return `receiver 0x${discriminator.index.toString(16).padStart(8, '0')}`;
  }
}

/** Never is 0, or nothing at all. */
function time(at: Millis | undefined): string | null {
  return at === undefined || at === 0 ? null : new Date(at).toISOString();
}
