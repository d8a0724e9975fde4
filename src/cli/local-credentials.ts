import { loadConfig } from '../control/config/load.ts';
import { readSecrets } from '../control/state/secrets.ts';

/** Credentials that the relay of this folder generated, for a probe that was given none. */
export async function localCredentials(): Promise<{ username: string; password: string } | undefined> {
  const result = await localSecrets();
  if (!result?.ok) return undefined;
  const { username, password } = result.secrets.turn;
  return { username, password };
}

/** The secret of the pair relay of this folder: what the environment gives it, else what it generated. */
export async function localPairSecret(): Promise<string | undefined> {
  const loaded = await loadConfig({ environment: process.env, overrides: [] });
  const configured = loaded.ok ? loaded.config.pair?.secret[0] : undefined;
  if (configured !== undefined) return Buffer.from(configured).toString('base64');
  const result = await localSecrets();
  return result?.ok && result.complete ? result.secrets.pair : undefined;
}

async function localSecrets(): Promise<ReturnType<typeof readSecrets>> {
  const loaded = await loadConfig({ environment: process.env, overrides: [] });
  return readSecrets(loaded.ok ? loaded.config.state : './state');
}
