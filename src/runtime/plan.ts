import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { Log } from '../control/log/log.ts';
import type { Family } from '../net/address.ts';
import { isWildcard } from '../net/address.ts';
import type { RelayAddress } from '../service/turn/config.ts';
import { bestAddress, isLocal, type OwnAddress } from './addresses.ts';

/** What TURN will bind and tell: the configuration seen from this machine. */
export interface TurnPlan {
  readonly listeners: readonly PlannedListener[];
  readonly relay: { readonly ipv4?: RelayAddress; readonly ipv6?: RelayAddress };
  /** Under these addresses peers would reach this machine itself. */
  readonly ownAddresses: readonly string[];
  /** For the log: what was decided and might surprise. */
  readonly notes: readonly string[];
  /** For the log too: what should be mended, or clients are kept out. */
  readonly hints: readonly Hint[];
}

export interface Hint {
  readonly what: string;
  readonly fix: string;
}

export interface PlannedListener extends ListenerAddress {
  /** Came with the defaults: may be left out where the machine cannot have it. */
  readonly optional: boolean;
}

/** At the start, at the level that says whether somebody has to do something. */
export function tellPlan({ notes, hints }: TurnPlan, log: Pick<Log, 'info' | 'warn'>): void {
  for (const note of notes) log.info(note);
  for (const { what, fix } of hints) log.warn(`${what} (${fix})`);
}

/** `usesDefaults`: nobody wrote turn.listen. */
export function planTurn(config: Config, usesDefaults: boolean, own: readonly OwnAddress[]): TurnPlan {
  const notes: string[] = [];
  const listeners = planListeners(config.turn?.listen ?? [], usesDefaults, own);
  if (listeners.length < (config.turn?.listen.length ?? 0)) notes.push('this machine has no IPv6: no IPv6 listeners');

  const ipv4 = relayAddress(4, config, listeners, own, notes);
  const ipv6 = relayAddress(6, config, listeners, own, notes);
  const hints = config.turn === undefined ? [] : hintsOnAddress(config, ipv4, ipv6, own);
  const told = [ipv4?.advertised, ipv6?.advertised, config.public.ipv4, config.public.ipv6];
  return {
    listeners,
    relay: { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) },
    ownAddresses: [
      ...new Set([...own.map(({ address }) => address), ...told.filter((address) => address !== undefined)]),
    ],
    notes,
    hints,
  };
}

/** Default listeners of IPv6 are left out where the machine has none. */
export function planListeners(
  listen: readonly ListenerAddress[],
  usesDefaults: boolean,
  own: readonly OwnAddress[],
): PlannedListener[] {
  return listen
    .map((listener) => ({ ...listener, optional: usesDefaults && listener.local.family === 6 }))
    .filter(({ optional }) => !optional || own.some(({ family }) => family === 6));
}

/** Addresses under which clients reach the listeners, best first; a wildcard stands for what is told to clients. */
export function reachableHost(listener: ListenerAddress, plan: TurnPlan, config: Config): string | undefined {
  const { address, family } = listener.local;
  if (!isWildcard(address)) return address;
  const [told, relay] = family === 4 ? [config.public.ipv4, plan.relay.ipv4] : [config.public.ipv6, plan.relay.ipv6];
  return told ?? relay?.advertised;
}

function relayAddress(
  family: Family,
  config: Config,
  listeners: readonly ListenerAddress[],
  own: readonly OwnAddress[],
  notes: string[],
): RelayAddress | undefined {
  const key = family === 4 ? 'ipv4' : 'ipv6';
  const told = config.turn?.relay[key] ?? config.public[key];
  const advertised = told ?? listeningAddress(family, listeners) ?? bestAddress(own, family);
  if (advertised === undefined) return undefined;
  if (isLocal(own, advertised)) return { advertised, bind: advertised };
  notes.push(`${advertised} is not an address of this machine: relayed ports are bound on all (static NAT)`);
  return { advertised, bind: family === 4 ? '0.0.0.0' : '::' };
}

/** What keeps clients elsewhere out, and the machine alone cannot know better. */
function hintsOnAddress(
  config: Config,
  ipv4: RelayAddress | undefined,
  ipv6: RelayAddress | undefined,
  own: readonly OwnAddress[],
): Hint[] {
  if (ipv4 === undefined && ipv6 === undefined) {
    const what = 'no address found that clients could be told: every allocation will be refused';
    return [{ what, fix: 'set public.ipv4 or public.ipv6' }];
  }
  const isTold = config.turn?.relay.ipv4 !== undefined || config.public.ipv4 !== undefined;
  const scope = own.find(({ address }) => address === ipv4?.advertised)?.scope;
  if (isTold || scope !== 'private') return [];
  const what = `${ipv4?.advertised} is a private address: clients elsewhere do not reach it`;
  return [{ what, fix: 'set public.ipv4 to the address that they see' }];
}

/** Where every listener of a family names one address, relayed ports belong there too. */
function listeningAddress(family: Family, listeners: readonly ListenerAddress[]): string | undefined {
  const addresses = listeners.filter(({ local }) => local.family === family).map(({ local }) => local.address);
  return addresses.some(isWildcard) ? undefined : addresses[0];
}
