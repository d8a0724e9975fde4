import { isDatagram, upstreamsOf } from '../control/config/check-forward.ts';
import type { ForwardSettings } from '../control/config/forward.ts';
import type { ForwardUpstream } from '../control/config/forward-units.ts';
import { parseAddress } from '../net/address.ts';
import { MINUTE } from '../net/time.ts';
import {
  type ForwardConfig,
  type ForwardRule,
  type HealthRule,
  type UpstreamRule,
  upstreamKey,
} from '../service/forward/config.ts';
import { ServerNames } from '../service/forward/server-names.ts';

/** Section of the configuration file → what the forward service must be told. */
export function makeForwardConfig(forwards: readonly ForwardSettings[]): ForwardConfig {
  return { rules: forwards.map(makeRule) };
}

function makeRule(settings: ForwardSettings): ForwardRule {
  const { name, sni, balance, connectTimeout, keepAlive, proxyIn, proxyOut, allow, deny, limits, drain } = settings;
  const datagram = isDatagram(settings);
  return {
    name,
    transport: datagram ? 'dgram' : 'stream',
    upstreams: makeUpstreams(upstreamsOf(settings)),
    serverNames: sni && makeServerNames(sni),
    balance,
    connectTimeout,
    keepAlive: keepAlive.count === 0 ? undefined : keepAlive,
    idle: settings.idle ?? (datagram ? MINUTE : 0),
    health: makeHealth(settings.health),
    proxyIn,
    proxyOut,
    transparent: settings.transparent,
    allow,
    deny,
    limits: { total: limits.connections, perSource: limits.perSource, ratePerSource: limits.ratePerSource },
    drain,
  };
}

/** One that several names lead to is one upstream, with one health check. */
function makeUpstreams(upstreams: readonly ForwardUpstream[]): UpstreamRule[] {
  return [...new Map(upstreams.map(makeUpstream).map((rule) => [upstreamKey(rule), rule])).values()];
}

function makeServerNames({ default: other, ...names }: NonNullable<ForwardSettings['sni']>): ServerNames {
  const made = Object.entries(names).map(([name, upstreams]) => [name, upstreams.map(makeUpstream)] as const);
  return new ServerNames(new Map(made), other?.map(makeUpstream));
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
