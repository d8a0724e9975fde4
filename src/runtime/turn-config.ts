import type { Config } from '../control/config/schema.ts';
import type { TurnSettings } from '../control/config/turn.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { CredentialConfig, TurnConfig } from '../service/turn/config.ts';
import type { TurnPlan } from './plan.ts';

export interface TurnConfigParts {
  readonly config: Config;
  readonly turn: TurnSettings;
  readonly plan: TurnPlan;
  readonly secrets: StateSecrets;
  readonly ownEndpoints: readonly Endpoint[];
  readonly canSetDontFragment: boolean;
}

/** Configuration file, machine and state → what the TURN service must be told. */
export function makeTurnConfig(parts: TurnConfigParts): TurnConfig {
  const { config, turn, plan, secrets, ownEndpoints, canSetDontFragment } = parts;
  return {
    realm: turn.realm,
    software: turn.software,
    strictChannels: turn.strictChannels,
    credentials: makeCredentials(turn, secrets),
    nonceKey: secrets.nonceKey,
    nonceLifetime: turn.nonceLifetime,
    relay: plan.relay,
    ports: turn.relay.ports,
    peers: turn.peers,
    ownEndpoints,
    ownAddresses: plan.ownAddresses,
    quota: turn.quota,
    lifetime: turn.lifetime,
    maxPermissions: turn.maxPermissions,
    maxChannels: turn.maxChannels,
    unauthenticatedBudget: config.limits.unauthenticated,
    canSetDontFragment,
  };
}

/** Whether the configuration leaves it to Culvert to make credentials. */
export function needsGenerated({ users, secret, firezone }: TurnSettings): boolean {
  return Object.keys(users).length === 0 && secret.length === 0 && firezone.stampSecret.length === 0;
}

function makeCredentials(turn: TurnSettings, { turn: generated }: StateSecrets): CredentialConfig {
  if (needsGenerated(turn)) {
    const users = new Map([[generated.username, generated.password]]);
    return { users, secrets: [generated.secret], stampSecrets: [] };
  }
  return { users: new Map(Object.entries(turn.users)), secrets: turn.secret, stampSecrets: turn.firezone.stampSecret };
}
