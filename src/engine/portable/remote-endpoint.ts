import { formatAddress, parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';

/**
 * What Node says about a peer → our canonical endpoint. Node writes IPv6 as RFC 5952 does, except for a zone behind link-local
 * addresses and mixed notation for the IPv4-mapped and IPv4-compatible ones; only those cost more than two searches.
 */
export function remoteEndpoint(address: string, port: number): Endpoint {
  if (!address.includes(':')) return { family: 4, address, port };
  if (!address.includes('%') && !address.includes('.')) return { family: 6, address, port };
  const bytes = parseAddress(address);
  if (bytes === undefined) return { family: 6, address, port };
  if (isMapped(bytes)) return { family: 4, address: formatAddress(bytes.subarray(12)), port };
  return { family: bytes.length === 4 ? 4 : 6, address: formatAddress(bytes), port };
}

/** ::ffff:0:0/96 (RFC 4291 §2.5.5.2): an IPv4 peer that a dual-stack socket saw. */
function isMapped(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  );
}
