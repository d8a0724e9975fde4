import { formatAddress, formatIpv4, parseAddress, parseIpv4 } from '../../../net/address.ts';
import type { Endpoint } from '../../../net/endpoint.ts';
import { requireInteger, StunEncodeError } from '../encode-error.ts';
import { copyBytes, type WireBytes } from '../wire-bytes.ts';
import type { ValueCodec } from './value-codec.ts';

/**
 * MAPPED-ADDRESS and ALTERNATE-SERVER, RFC 8489 §14.1
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------+---------------+-------------------------------+
 *     |  0 (ignored)  |    family     |             port              |
 *     +---------------+---------------+-------------------------------+
 *     |              address (4 bytes or 16 bytes)                    |
 */
export const plainAddress: ValueCodec<Endpoint> = {
  decode: (from, offset, length) => decodeAddress(from, offset, length, false),
  encode: (to, offset, endpoint) => encodeAddress(to, offset, endpoint, false),
};

/** XOR-MAPPED-ADDRESS and its like, §14.2: the same, XORed with the magic cookie and, for IPv6, the transaction ID behind it. */
export const xorAddress: ValueCodec<Endpoint> = {
  decode: (from, offset, length) => decodeAddress(from, offset, length, true),
  encode: (to, offset, endpoint) => encodeAddress(to, offset, endpoint, true),
};

const WIRE_FAMILY_IPV4 = 0x01;
const WIRE_FAMILY_IPV6 = 0x02;

function decodeAddress(from: WireBytes, offset: number, length: number, xored: boolean): Endpoint | undefined {
  if (length < 4) return undefined;
  const { view } = from;
  const port = view.getUint16(offset + 2) ^ (xored ? view.getUint16(COOKIE_OFFSET) : 0);
  const family = view.getUint8(offset + 1);
  if (family === WIRE_FAMILY_IPV4 && length === 8) {
    const address = view.getUint32(offset + 4) ^ (xored ? view.getUint32(COOKIE_OFFSET) : 0);
    return { family: 4, address: formatIpv4(address), port };
  }
  if (family === WIRE_FAMILY_IPV6 && length === 20) {
    const address = copyBytes(from, offset + 4, 16);
    if (xored) xorWithHeader(from, address);
    return { family: 6, address: formatAddress(address), port };
  }
  return undefined;
}

function encodeAddress(to: WireBytes, offset: number, endpoint: Endpoint, xored: boolean): number {
  const { view } = to;
  const port = requireInteger(endpoint.port, 0, 0xffff, 'port');
  view.setUint8(offset, 0);
  view.setUint16(offset + 2, port ^ (xored ? view.getUint16(COOKIE_OFFSET) : 0));
  if (endpoint.family === 4) {
    const address = parseIpv4(endpoint.address);
    if (address === undefined) throw new StunEncodeError('no IPv4 address');
    view.setUint8(offset + 1, WIRE_FAMILY_IPV4);
    view.setUint32(offset + 4, address ^ (xored ? view.getUint32(COOKIE_OFFSET) : 0));
    return 8;
  }
  const address = parseAddress(endpoint.address);
  if (address?.length !== 16) throw new StunEncodeError('no IPv6 address');
  if (xored) xorWithHeader(to, address);
  view.setUint8(offset + 1, WIRE_FAMILY_IPV6);
  to.bytes.set(address, offset + 4);
  return 20;
}

function xorWithHeader(message: WireBytes, address: Uint8Array): void {
  for (let index = 0; index < 16; index++) {
    address[index] = (address[index] ?? 0) ^ message.view.getUint8(COOKIE_OFFSET + index);
  }
}

/** The transaction ID follows the cookie, as the XOR wants it. */
const COOKIE_OFFSET = 4;
