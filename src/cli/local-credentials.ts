import { loadConfig } from '../control/config/load.ts';
import { readSecrets } from '../control/state/secrets.ts';

/** Credentials that the relay of this folder generated, for a probe that was given none. */
export async function localCredentials(): Promise<{ username: string; password: string } | undefined> {
  const loaded = await loadConfig({ environment: process.env, overrides: [] });
  const result = readSecrets(loaded.ok ? loaded.config.state : './state');
  if (!result?.ok) return undefined;
  const { username, password } = result.secrets.turn;
  return { username, password };
}
