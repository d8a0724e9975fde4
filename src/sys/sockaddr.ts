import { formatAddress, parseAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';

/**
 *  sockaddr_in    family:2 port:2 address:4 zeros:8                          family in the machine's order, the others in the network's
 *  sockaddr_in6   family:2 port:2 flowinfo:4 address:16 scope:4
 */
export const SOCKADDR_BYTES = 28;

/** Writes `endpoint` and returns its size. */
export function encodeSockaddr(endpoint: Endpoint, view: DataView, offset: number): number {
  const address = parseAddress(endpoint.address);
  if (address === undefined) throw new TypeError(`no address: ${endpoint.address}`);
  const four = address.length === 4;
  view.setUint16(offset, four ? AF_INET : AF_INET6, true);
  view.setUint16(offset + 2, endpoint.port);
  view.setUint32(offset + 4, 0);
  const at = offset + (four ? 4 : 8);
  for (const [index, byte] of address.entries()) view.setUint8(at + index, byte);
  if (!four) view.setUint32(offset + 24, 0);
  return four ? 16 : SOCKADDR_BYTES;
}

/** The endpoint in canonical form, a zone left out. */
export function decodeSockaddr(view: DataView, offset: number): Endpoint {
  const four = view.getUint16(offset, true) === AF_INET;
  const at = view.byteOffset + offset + (four ? 4 : 8);
  const address = formatAddress(new Uint8Array(view.buffer, at, four ? 4 : 16));
  return { family: four ? 4 : 6, address, port: view.getUint16(offset + 2) };
}

export const AF_INET = 2;
export const AF_INET6 = 10;
