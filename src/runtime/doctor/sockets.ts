import type { Config } from '../../control/config/schema.ts';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { OwnAddress } from '../addresses.ts';
import { portsOf } from '../forward-host.ts';
import type { Defaults } from '../hosts.ts';
import { type PlannedListener, planListeners, type TurnPlan } from '../plan.ts';

/** A socket that a relay with this configuration opens. */
export interface PlannedSocket {
  /** Where the configuration asks for it. */
  readonly key: string;
  /** Scheme of its URL. */
  readonly transport: string;
  readonly kind: 'tcp' | 'udp';
  readonly local: Endpoint;
  /** May be left out where the machine cannot have it. */
  readonly optional: boolean;
}

/** Those of all sections; one that several share is there once, and those whose port the system chooses are left out. */
export function plannedSockets(
  config: Config,
  plan: TurnPlan,
  defaults: Defaults,
  own: readonly OwnAddress[],
): PlannedSocket[] {
  const { turn, wireguard, pair, forward = [], admin } = config;
  const sockets = [
    ...(turn === undefined ? [] : plan.listeners.map((listener) => ofListener('turn.listen', listener))),
    ...planListeners(wireguard?.listen ?? [], defaults.wireguard, own).map((one) =>
      ofListener('wireguard.listen', one),
    ),
    ...planListeners(pair?.listen ?? [], defaults.pair, own).map((one) => ofListener('pair.listen', one)),
    ...forward.flatMap(({ name, listen }) =>
      listen.flatMap((listener) =>
        listener.transport === 'unix'
          ? []
          : portsOf(listener).map((local) => socket(`forward ${name}`, listener.transport, local)),
      ),
    ),
    ...(admin.listen === undefined ? [] : [socket('admin.listen', 'http', admin.listen)]),
  ].filter(({ local }) => local.port !== 0);
  return [...new Map(sockets.map((one) => [`${one.kind} ${endpointKey(one.local)}`, one])).values()];
}

function ofListener(key: string, { transport, local, optional }: PlannedListener): PlannedSocket {
  return { ...socket(key, transport, local), optional };
}

function socket(key: string, transport: string, local: Endpoint): PlannedSocket {
  return { key, transport, kind: transport === 'udp' || transport === 'dtls' ? 'udp' : 'tcp', local, optional: false };
}
