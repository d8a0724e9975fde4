import { isDatagram } from '../control/config/check-forward.ts';
import type { ForwardSettings } from '../control/config/forward.ts';
import type { ForwardUpstream } from '../control/config/forward-units.ts';
import { parseAddress } from '../net/address.ts';
import { MINUTE } from '../net/time.ts';
import type { ForwardConfig, ForwardRule, HealthRule, UpstreamRule } from '../service/forward/config.ts';

/** Section of the configuration file → what the forward service must be told. */
export function makeForwardConfig(forwards: readonly ForwardSettings[]): ForwardConfig {
  return { rules: forwards.map(makeRule) };
}

function makeRule(settings: ForwardSettings): ForwardRule {
  const { name, to, balance, connectTimeout, keepAlive, proxyIn, proxyOut, allow, deny, limits, drain } = settings;
  const datagram = isDatagram(settings);
  return {
    name,
    transport: datagram ? 'dgram' : 'stream',
    upstreams: to.map(makeUpstream),
    balance,
    connectTimeout,
    keepAlive: keepAlive.count === 0 ? undefined : keepAlive,
    idle: settings.idle ?? (datagram ? MINUTE : 0),
    health: makeHealth(settings.health),
    proxyIn,
    proxyOut,
    allow,
    deny,
    limits: { total: limits.connections, perSource: limits.perSource, ratePerSource: limits.ratePerSource },
    drain,
  };
}

function makeUpstream(upstream: ForwardUpstream): UpstreamRule {
  if (upstream.transport === 'unix') return { kind: 'unix', path: upstream.path };
  const { host, ports } = upstream;
  const bytes = parseAddress(host);
  if (bytes === undefined) return { kind: 'name', name: host, ports };
  return { kind: 'address', family: bytes.length === 4 ? 4 : 6, address: host, ports };
}

function makeHealth(health: ForwardSettings['health']): HealthRule | undefined {
  if (health === undefined) return undefined;
  const { send, expect, ...times } = health;
  return { ...times, request: send ?? new Uint8Array(0), reply: expect ?? new Uint8Array(0) };
}
