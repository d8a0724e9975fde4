import { type Family, formatAddress, parseAddress } from './address.ts';

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
export function parseEndpoint(text: string): Endpoint | undefined {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return undefined;
  const port = parsePort(text.slice(colon + 1));
  if (port === undefined) return undefined;
  const bracketed = text.startsWith('[') && text[colon - 1] === ']';
  const bytes = parseAddress(bracketed ? text.slice(1, colon - 1) : text.slice(0, colon));
  // Brackets go with IPv6 and with nothing else: "2001:db8::1:80" would be ambiguous (RFC 5952 §6).
  if (bytes === undefined || bracketed !== (bytes.length === 16)) return undefined;
  return { family: bytes.length === 4 ? 4 : 6, address: formatAddress(bytes), port };
}

function parsePort(text: string): number | undefined {
  if (!PORT.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

const PORT: RegExp = /^(?:0|[1-9][0-9]{0,4})$/;
