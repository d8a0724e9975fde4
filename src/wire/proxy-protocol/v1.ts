import { type Family, formatAddress, parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import { type ProxyAddresses, type ProxyHeader, ProxyHeaderError, type ProxyResult, refused } from './header.ts';

/** Whether the bytes are a header of version 1, or may become one. */
export function looksLikeV1(bytes: Uint8Array): boolean {
  for (let index = 0; index < SIGNATURE.length; index++) {
    if (index >= bytes.length) return true;
    if (bytes[index] !== SIGNATURE.charCodeAt(index)) return false;
  }
  return true;
}

/**
 * Version 1 (§2.1), one line of US-ASCII of at most 107 bytes with its end:
 *
 *     PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n
 *     PROXY UNKNOWN (anything, to be ignored)\r\n
 *
 * One space between the parts, no leading zeros, addresses of the family that is named.
 */
export function decodeProxyV1(bytes: Uint8Array): ProxyResult {
  const end = lineEnd(bytes);
  if (end === undefined) return refused(bytes.length >= MAX_LINE ? 'proxy-header-too-long' : 'incomplete');
  const line = String.fromCharCode(...bytes.subarray(0, end));
  const length = end + 2;
  if (line === 'PROXY UNKNOWN' || line.startsWith('PROXY UNKNOWN ')) {
    return { ok: true, header: { command: 'proxy', addresses: undefined, tlvs: [] }, length };
  }
  const parts = LINE.exec(line);
  if (parts === null) return refused('malformed-proxy-header');
  const family: Family = parts[1] === '4' ? 4 : 6;
  const source = endpointOf(family, parts[2], parts[4]);
  const destination = endpointOf(family, parts[3], parts[5]);
  if (source === undefined || destination === undefined) return refused('malformed-proxy-header');
  return {
    ok: true,
    header: { command: 'proxy', addresses: { transport: 'stream', source, destination }, tlvs: [] },
    length,
  };
}

/** Without addresses, or with those of datagrams, it is UNKNOWN: version 1 is for TCP only. LOCAL is UNKNOWN as well. */
export function encodeProxyV1({ command, addresses }: Pick<ProxyHeader, 'command' | 'addresses'>): Uint8Array {
  if (command === 'local' || addresses === undefined || addresses.transport === 'dgram') return ascii(UNKNOWN);
  const { source, destination } = sameFamily(addresses);
  const parts = [`TCP${source.family}`, source.address, destination.address, source.port, destination.port];
  return ascii(`PROXY ${parts.join(' ')}\r\n`);
}

/** Neither version can name two families in one header. */
export function sameFamily(addresses: ProxyAddresses): ProxyAddresses {
  if (addresses.source.family === addresses.destination.family) return addresses;
  throw new ProxyHeaderError('source and destination of a PROXY header are of one family');
}

/** Index of the CR of the first CRLF, looked for only as far as a header may go. */
function lineEnd(bytes: Uint8Array): number | undefined {
  const last = Math.min(bytes.length, MAX_LINE);
  for (let index = SIGNATURE.length; index + 1 < last; index++) {
    if (bytes[index] === CR && bytes[index + 1] === LF) return index;
  }
  return undefined;
}

function endpointOf(family: Family, text = '', port = ''): Endpoint | undefined {
  // A zone means nothing on another machine.
  const address = text.includes('%') ? undefined : parseAddress(text);
  if (address === undefined || address.length !== (family === 4 ? 4 : 16) || Number(port) > 65_535) return undefined;
  return { family, address: formatAddress(address), port: Number(port) };
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

const SIGNATURE = 'PROXY ';
const UNKNOWN = 'PROXY UNKNOWN\r\n';
const MAX_LINE = 107;
const LINE = /^PROXY TCP([46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/;
const CR = 0x0d;
const LF = 0x0a;
