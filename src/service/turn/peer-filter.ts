import type { Endpoint } from '../../net/endpoint.ts';
import type { TurnConfig } from './config.ts';

export type PeerRefusal = 'peer-port-zero' | 'peer-denied' | 'peer-special-purpose' | 'peer-own-listener';

/** Decides which peers may be talked to: the same check for CreatePermission, ChannelBind, Send and everything that becomes a flow. */
export class PeerFilter {
  constructor(_config: Pick<TurnConfig, 'peers' | 'ownEndpoints' | 'ownAddresses' | 'relay'>) {}

  /** For CreatePermission: the port does not count. */
  refuseAddress(_peer: Endpoint): PeerRefusal | undefined {
    throw new Error('not built yet');
  }

  /** For ChannelBind and Send: the port counts too. */
  refuse(_peer: Endpoint): PeerRefusal | undefined {
    throw new Error('not built yet');
  }
}
