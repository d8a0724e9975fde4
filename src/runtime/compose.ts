import type { Config } from '../control/config/schema.ts';
import type { ProcessLog } from '../control/log/log.ts';
import { loadOrMakeSecrets } from '../control/state/secrets.ts';
import { chooseEngine } from './engines.ts';
import type { Defaults } from './hosts.ts';
import { Relay } from './relay.ts';
import type { RereadResult } from './reloading.ts';

export interface RelayOptions {
  readonly config: Config;
  readonly defaults: Defaults;
  readonly log: ProcessLog;
  /** Reads the configuration again, for reload(). */
  readonly reread?: () => Promise<RereadResult>;
  /** Called when everything is ready to open: whether this relay may, and whether the state folder is its own to keep clients in. */
  readonly claim?: () => Promise<Claimed>;
}

export type Claimed = { readonly ok: true; readonly keeps: boolean } | { readonly ok: false; readonly reason: string };

export type StartResult =
  | { readonly ok: true; readonly relay: Relay }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** Configuration → state, engine, services, admin listeners, all of them running; or every reason why not. */
export async function startRelay(options: RelayOptions): Promise<StartResult> {
  const { config, log } = options;
  const secrets = loadOrMakeSecrets(config.state);
  if (!secrets.ok) return { ok: false, reasons: [secrets.reason] };
  if (secrets.note !== undefined) log.warn(secrets.note);

  const choice = await chooseEngine(config, log);
  if (!choice.ok) return { ok: false, reasons: [choice.reason] };

  const relay = new Relay(options, choice.engine, secrets.secrets, secrets.kept);
  const claimed = (await options.claim?.()) ?? { ok: true, keeps: false };
  const reasons = claimed.ok ? await relay.open(claimed.keeps) : [claimed.reason];
  if (reasons.length === 0) {
    const { name, mode, why } = relay.summary().engine;
    log.info('engine', { name, mode, why });
    return { ok: true, relay };
  }
  await relay.stop();
  return { ok: false, reasons };
}
