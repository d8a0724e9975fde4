import { type Endpoint, parseEndpoint } from '../../../src/net/endpoint.ts';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { HOUR, MINUTE } from '../../../src/net/time.ts';
import type { TurnConfig } from '../../../src/service/turn/config.ts';
import { firezonePassword, restPassword } from '../../../src/service/turn/time-limited.ts';
import type { Chance } from './fuzz-chance.ts';

export const REALM = 'fuzz.test';
export const NONCE_KEY: Uint8Array = new Uint8Array(32).fill(11);
/** Behind a static NAT: what clients are told and what is bound differ, and both names must work. */
export const ADVERTISED_4 = '198.51.100.7';
export const BIND_4 = '10.9.8.7';
export const ADDRESS_6 = '2606:4700:1::7';
export const LISTENERS: readonly Endpoint[] = [
  mustEndpoint(`${BIND_4}:3478`),
  mustEndpoint(`[${ADDRESS_6}]:3478`),
  mustEndpoint(`${BIND_4}:3479`),
];
/** Small, so that exhaustion is met all the time. */
export const PORTS = { min: 50_000, max: 50_199 };

export const BASE_CONFIG: TurnConfig = {
  realm: REALM,
  software: '',
  strictChannels: false,
  credentials: {
    users: new Map([
      ['alice', 'wonderland'],
      ['bob', 'builder'],
    ]),
    secrets: ['rest-secret', 'older-secret'],
    stampSecrets: ['stamp'],
  },
  nonceKey: NONCE_KEY,
  nonceLifetime: 10 * MINUTE,
  relay: { ipv4: { advertised: ADVERTISED_4, bind: BIND_4 }, ipv6: { advertised: ADDRESS_6, bind: ADDRESS_6 } },
  ports: PORTS,
  peers: { allow: [], deny: [mustPrefix('8.8.8.0/24')] },
  ownEndpoints: LISTENERS,
  ownAddresses: [BIND_4, ADDRESS_6],
  quota: { perUser: 20, total: 130, bytesPerSecond: 0 },
  lifetime: { default: 10 * MINUTE, max: HOUR },
  maxPermissions: 6,
  maxChannels: 6,
  unauthenticatedBudget: { perAddress: 2, perPrefix: 5, burstSeconds: 2, maxSources: 1024 },
  canSetDontFragment: true,
};

/** Another configuration that an operator might put in place while the service runs. */
export function changedConfig(chance: Chance): TurnConfig {
  const { ipv4, ipv6 } = BASE_CONFIG.relay;
  return {
    ...BASE_CONFIG,
    strictChannels: chance.oneIn(2),
    relay: chance.oneIn(3)
      ? chance.oneIn(2)
        ? { ...(ipv4 && { ipv4 }) }
        : { ...(ipv6 && { ipv6 }) }
      : BASE_CONFIG.relay,
    ports: chance.oneIn(2) ? PORTS : { min: PORTS.min + chance.below(50), max: PORTS.max + chance.below(50) },
    peers: { allow: [], deny: chance.oneIn(2) ? BASE_CONFIG.peers.deny : [mustPrefix('9.9.0.0/16')] },
    quota: { ...BASE_CONFIG.quota, bytesPerSecond: chance.oneIn(2) ? 0 : 1000 + chance.below(100_000) },
    unauthenticatedBudget: chance.oneIn(2)
      ? BASE_CONFIG.unauthenticatedBudget
      : { perAddress: 0, perPrefix: 0, burstSeconds: 1, maxSources: 16 },
    canSetDontFragment: chance.oneIn(2),
  };
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Of every kind that the configuration knows; `expiry` in Unix seconds. */
export function logins(expiry: number): readonly Login[] {
  const rest = [`${expiry}:carol`, `${expiry}`].map((username) => ({
    username,
    password: restPassword(username, 'older-secret'),
  }));
  const stamp = { username: `${expiry}:salt`, password: firezonePassword(`${expiry}`, 'stamp', 'salt') };
  const users = [...BASE_CONFIG.credentials.users].map(([username, password]) => ({ username, password }));
  return [...users, ...users, ...rest, stamp];
}

export function mustEndpoint(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new SyntaxError(`no endpoint: ${text}`);
  return endpoint;
}

function mustPrefix(text: string): TurnConfig['peers']['deny'][number] {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new SyntaxError(`no prefix: ${text}`);
  return prefix;
}
