import type { Family } from './address.ts';

/** A transport address. `address` is always in canonical text form (see formatAddress), so that equal endpoints have equal keys. */
export interface Endpoint {
  readonly family: Family;
  readonly address: string;
  /** 0 to 65535 */
  readonly port: number;
}

/** `address:port`, with brackets round IPv6: unique per endpoint, for map keys and for people. */
export function endpointKey(endpoint: Endpoint): string {
  return endpoint.family === 4 ? `${endpoint.address}:${endpoint.port}` : `[${endpoint.address}]:${endpoint.port}`;
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address;
}

/** "192.0.2.1:80" or "[2001:db8::1]:80" → endpoint in canonical form; undefined when it is none. */
export function parseEndpoint(_text: string): Endpoint | undefined {
  throw new Error('not built yet');
}
