import { join } from 'node:path';
import type { Config } from '../control/config/schema.ts';
import { SECRETS_FILE, type StateSecrets } from '../control/state/secrets.ts';
import type { Engine } from '../engine/engine.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { Summary } from './banner.ts';
import type { Hosts } from './hosts.ts';
import { turnUrls } from './ice-servers.ts';
import { needsGeneratedPairSecret } from './pair-config.ts';
import { reachableHost, type TurnPlan } from './plan.ts';
import { needsGenerated } from './turn-config.ts';

export interface SummaryParts {
  readonly version: string;
  readonly config: Config;
  readonly plan: TurnPlan;
  readonly secrets: StateSecrets;
  readonly secretsKept: boolean;
  readonly engine: Pick<Engine, 'name' | 'mode'>;
  readonly engineWhy: string;
  readonly hosts: Hosts;
  readonly admin: Endpoint | undefined;
}

/** What `culvert up` tells once everything runs. */
export function summarize(parts: SummaryParts): Summary {
  const { version, config, plan, engine, engineWhy, hosts, admin } = parts;
  const { ipv4, ipv6 } = plan.relay;
  const addresses = [ipv4?.advertised, ipv6?.advertised].filter((address) => address !== undefined);
  const bound = [hosts.turn, hosts.wireguard, hosts.pair].filter((host) => host !== undefined);
  return {
    version,
    listeners: bound.flatMap((host) => host.bound.map((listener) => ({ service: host.service.name, ...listener }))),
    forwards: hosts.forward?.forwards() ?? [],
    relay: config.turn === undefined ? undefined : { addresses, ports: config.turn.relay.ports },
    engine: { name: engine.name, mode: engine.mode, why: engineWhy },
    admin,
    generated: generated(parts),
    generatedPair: generatedPair(parts),
    relayPeer: relayPeer(parts),
  };
}

function generated(parts: SummaryParts): Summary['generated'] {
  const { config, plan, hosts, secrets } = parts;
  if (config.turn === undefined || !needsGenerated(config.turn)) return undefined;
  const { username, password } = secrets.turn;
  const urls = turnUrls(config, plan, hosts.turn?.bound);
  return { iceServer: { urls, username, credential: password }, keptIn: keptIn(parts) };
}

function relayPeer({ hosts, plan, config }: SummaryParts): Summary['relayPeer'] {
  const publicKey = hosts.wireguard?.publicKey;
  const [listener] = hosts.wireguard?.bound ?? [];
  if (publicKey === undefined || listener === undefined) return undefined;
  const address = reachableHost(listener, plan, config) ?? listener.local.address;
  return { publicKey, endpoint: endpointKey({ ...listener.local, address }) };
}

function generatedPair(parts: SummaryParts): Summary['generatedPair'] {
  const { pair } = parts.config;
  if (pair === undefined || !needsGeneratedPairSecret(pair)) return undefined;
  return { secret: parts.secrets.pair, keptIn: keptIn(parts) };
}

function keptIn({ secretsKept, config }: SummaryParts): string | undefined {
  return secretsKept ? join(config.state, SECRETS_FILE) : undefined;
}
