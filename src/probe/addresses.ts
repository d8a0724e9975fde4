import { lookup } from 'node:dns/promises';
import { formatAddress, parseAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { parsePrefix, prefixContains } from '../net/prefix.ts';
import { fromSystemError, ProbeError } from './failure.ts';

/** What the kernel says about a socket → endpoint in canonical form. */
export function localEndpoint(address: string, port: number): Endpoint {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new ProbeError('network', `the system gave "${address}" as an address`);
  return { family: bytes.length === 4 ? 4 : 6, address: formatAddress(bytes), port };
}

/** The first address of a name, as the system orders them. Rejects with ProbeError. */
export async function resolveHost(host: string, port: number): Promise<Endpoint> {
  try {
    const { address } = await lookup(host);
    return localEndpoint(address, port);
  } catch (error) {
    throw fromSystemError(error);
  }
}

/** Whether the public internet cannot route to it: RFC 1918, RFC 6598, loopback, link-local, unique local. */
export function isPrivate(endpoint: Endpoint): boolean {
  const bytes = parseAddress(endpoint.address);
  return bytes !== undefined && PRIVATE.some((prefix) => prefixContains(prefix, bytes));
}

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16']
  .concat(['::1/128', 'fe80::/10', 'fc00::/7'])
  .map((text) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) throw new Error(`not a prefix: ${text}`);
    return prefix;
  });
