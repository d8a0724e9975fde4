import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { IdSource } from '../net/ids.ts';
import type { Common } from '../service/common.ts';
import { ownAddresses } from './addresses.ts';
import type { Driver } from './driver.ts';
import type { ForwardHost } from './forward-host.ts';
import type { PairHost } from './pair-host.ts';
import { planListeners, type TurnPlan, tellPlan } from './plan.ts';
import type { TurnHost } from './turn-host.ts';
import type { WireguardHost } from './wireguard-host.ts';

/** Services whose `listen` nobody wrote: their default listeners may be left out where the machine cannot have them. */
export interface Defaults {
  readonly turn: boolean;
  readonly wireguard: boolean;
  readonly pair: boolean;
}

export interface HostParts {
  readonly config: Config;
  readonly defaults: Defaults;
  readonly plan: TurnPlan;
  readonly secrets: StateSecrets;
  readonly driver: Driver;
  readonly ids: IdSource;
  readonly common: Common;
  readonly admin: Endpoint | undefined;
  readonly log: Log;
}

/** A host for each service that has a section; nothing is bound yet. What has none is not even loaded. */
export interface Hosts {
  readonly turn: TurnHost | undefined;
  readonly wireguard: WireguardHost | undefined;
  readonly pair: PairHost | undefined;
  readonly forward: ForwardHost | undefined;
}

export async function makeHosts(parts: HostParts): Promise<Hosts> {
  return {
    turn: await makeTurn(parts),
    wireguard: await makeWireguard(parts),
    pair: await makePair(parts),
    forward: await makeForward(parts),
  };
}

async function makeTurn(parts: HostParts): Promise<TurnHost | undefined> {
  const { turn, wireguard, pair } = parts.config;
  if (turn === undefined) return undefined;
  tellPlan(parts.plan, parts.log);
  const others = [wireguard, pair].flatMap((service) => service?.listen ?? []).map(({ local }) => local);
  const { TurnHost } = await import('./turn-host.ts');
  return new TurnHost({ ...parts, turn, others });
}

async function makeWireguard(parts: HostParts): Promise<WireguardHost | undefined> {
  const { wireguard } = parts.config;
  if (wireguard === undefined) return undefined;
  const own = ownAddresses();
  const listeners = planListeners(wireguard.listen, parts.defaults.wireguard, own);
  const { WireguardHost } = await import('./wireguard-host.ts');
  return new WireguardHost({ ...parts, wireguard, listeners, ownAddresses: own.map(({ address }) => address) });
}

async function makePair(parts: HostParts): Promise<PairHost | undefined> {
  const { pair } = parts.config;
  if (pair === undefined) return undefined;
  const { PairHost } = await import('./pair-host.ts');
  return new PairHost({ ...parts, pair, listeners: planListeners(pair.listen, parts.defaults.pair, ownAddresses()) });
}

/** Forwards may come while the relay runs. */
export async function makeForward({ config, driver, ids, common }: HostParts): Promise<ForwardHost | undefined> {
  const { forward } = config;
  if (forward === undefined) return undefined;
  const { ForwardHost } = await import('./forward-host.ts');
  return new ForwardHost({ forward, driver, ids, common });
}
