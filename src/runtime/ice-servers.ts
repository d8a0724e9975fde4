import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import { reachableHost, type TurnPlan } from './plan.ts';

/** An entry of RTCConfiguration.iceServers. */
export interface IceServer {
  readonly urls: readonly string[];
  readonly username: string;
  readonly credential: string;
}

/** TURN URIs (RFC 7065) of all listeners. `bound` has the real ports where the configuration asks for any. */
export function turnUrls(config: Config, plan: TurnPlan, bound: readonly ListenerAddress[] = plan.listeners): string[] {
  return bound.flatMap((listener) => {
    const host = reachableHost(listener, plan, config);
    return host === undefined ? [] : [turnUrl(listener, host)];
  });
}

function turnUrl({ transport, local }: ListenerAddress, host: string): string {
  const endpoint: Endpoint = { ...local, address: host };
  const scheme = transport === 'tls' || transport === 'dtls' ? 'turns' : 'turn';
  const via = transport === 'udp' || transport === 'dtls' ? 'udp' : 'tcp';
  return `${scheme}:${endpointKey(endpoint)}?transport=${via}`;
}
