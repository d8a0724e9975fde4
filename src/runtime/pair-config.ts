import type { PairSettings } from '../control/config/pair.ts';
import type { Config } from '../control/config/schema.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import type { PairConfig } from '../service/pair/config.ts';

/** Configuration file and state → what the pair relay must be told. */
export function makePairConfig(config: Config, pair: PairSettings, secrets: StateSecrets): PairConfig {
  const { idle, sweep, rebind, antiReplay, nonceLifetime, quota } = pair;
  return {
    keys: pair.secret.length > 0 ? pair.secret : [new Uint8Array(Buffer.from(secrets.pair, 'base64'))],
    legacy: new Set(pair.legacy),
    idle,
    sweep,
    rebind,
    antiReplay,
    nonceKey: secrets.nonceKey,
    nonceLifetime,
    quota,
    handshakeBudget: config.limits.unauthenticated,
  };
}

/** Whether the configuration leaves it to Culvert to make the secret. */
export function needsGeneratedPairSecret({ secret }: PairSettings): boolean {
  return secret.length === 0;
}
