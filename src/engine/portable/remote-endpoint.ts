import { formatAddress, parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';

/** What Node says about a peer → our canonical endpoint. */
export function remoteEndpoint(heard: string, port: number): Endpoint {
  const address = canonicalAddress(heard);
  return { family: address.includes(':') ? 6 : 4, address, port };
}

/**
 * Node writes IPv6 as RFC 5952 does, except for a zone behind link-local addresses and mixed notation for the IPv4-mapped and
 * IPv4-compatible ones; only those cost more than two searches. IPv4 that was mapped comes out as IPv4.
 */
export function canonicalAddress(heard: string): string {
  if (!heard.includes('%') && !(heard.includes('.') && heard.includes(':'))) return heard;
  // Linux lets an interface have nearly any name: what is behind the % is not looked at.
  const address = heard.split('%', 1)[0] ?? heard;
  const bytes = parseAddress(address);
  if (bytes === undefined) return address;
  return formatAddress(isMapped(bytes) ? bytes.subarray(12) : bytes);
}

/** ::ffff:0:0/96 (RFC 4291 §2.5.5.2): an IPv4 peer that a dual-stack socket saw. */
function isMapped(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  );
}
