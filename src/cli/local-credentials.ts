import type { Config } from '../control/config/schema.ts';
import type { TurnSettings } from '../control/config/turn.ts';
import { readSecrets } from '../control/state/secrets.ts';
import { makeTimeLimited } from '../control/time-limited.ts';
import { needsGenerated } from '../runtime/turn-config.ts';
import { type ConfigFlags, read } from './configuration.ts';

/** Credentials of the relay with this configuration, for a probe that was given none: configured ones, else what it generated. */
export async function localCredentials(
  flags: ConfigFlags,
): Promise<{ username: string; password: string } | undefined> {
  const config = await configOf(flags);
  if (config?.turn !== undefined && !needsGenerated(config.turn)) return configured(config.turn);
  const result = readSecrets(config?.state ?? './state');
  if (!result?.ok) return undefined;
  const { username, password } = result.secrets.turn;
  return { username, password };
}

/** The secret of its pair relay: a configured one, else what it generated. */
export async function localPairSecret(flags: ConfigFlags): Promise<string | undefined> {
  const config = await configOf(flags);
  const secret = config?.pair?.secret[0];
  if (secret !== undefined) return Buffer.from(secret).toString('base64');
  const result = readSecrets(config?.state ?? './state');
  return result?.ok && result.complete ? result.secrets.pair : undefined;
}

/** A configuration with faults is a matter of other commands: the probe goes without it. */
async function configOf(flags: ConfigFlags): Promise<Config | undefined> {
  const loaded = await read(flags);
  return loaded.ok ? loaded.config : undefined;
}

function configured({ users, secret: [secret] }: TurnSettings): { username: string; password: string } | undefined {
  const [user] = Object.entries(users);
  if (user !== undefined) return { username: user[0], password: user[1] };
  if (secret === undefined) return undefined;
  const { username, credential } = makeTimeLimited(secret, 'probe', PROBE_LIFETIME, Date.now());
  return { username, password: credential };
}

/** As long as a slow probe may take, milliseconds. */
const PROBE_LIFETIME = 10 * 60_000;
