import { type Family, formatAddress, parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import { crc32c } from './crc32c.ts';
import {
  type ProxyAddresses,
  type ProxyHeader,
  ProxyHeaderError,
  type ProxyResult,
  type ProxyTlv,
  refused,
} from './header.ts';
import { sameFamily } from './v1.ts';

/** Whether the bytes are a header of version 2, or may become one. */
export function looksLikeV2(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => index >= bytes.length || bytes[index] === byte);
}

/**
 * Version 2 (§2.2), big-endian:
 *
 *      0            12         13           14       16
 *     ┌────────────┬──────────┬────────────┬────────┬───────────┬──────┐
 *     │ signature  │ version, │ family,    │ length │ addresses │ TLVs │
 *     │ 12 bytes   │ command  │ transport  │ u16    │           │      │
 *     └────────────┴──────────┴────────────┴────────┴───────────┴──────┘
 *                                           of all that follows ──────▶
 */
export function decodeProxyV2(bytes: Uint8Array, most: number): ProxyResult {
  if (bytes.length < HEADER_BYTES) return refused('incomplete');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(12) >>> 4;
  const command = COMMANDS[view.getUint8(12) & 0x0f];
  if (version !== 2 || command === undefined) return refused('malformed-proxy-header');
  const length = HEADER_BYTES + view.getUint16(14);
  if (length > most) return refused('proxy-header-too-long');
  if (bytes.length < length) return refused('incomplete');

  const form = view.getUint8(13);
  const size = addressBytes(form);
  if (size === undefined || HEADER_BYTES + size > length) return refused('malformed-proxy-header');
  const header = bytes.subarray(0, length);
  const tlvs = readTlvs(header, HEADER_BYTES + size);
  // §2.2: of LOCAL everything is skipped, addresses and TLVs, whatever they are.
  if (command === 'local') return { ok: true, header: { command, addresses: undefined, tlvs: [] }, length };
  if (tlvs === undefined) return refused('malformed-proxy-header');
  if (!checksumHolds(header, HEADER_BYTES + size)) return refused('proxy-checksum-wrong');
  return { ok: true, header: { command, addresses: readAddresses(header, form), tlvs }, length };
}

/** TLVs go out as given; a checksum is the caller's to leave out, because it covers the header that it came in. */
export function encodeProxyV2({ command, addresses, tlvs }: ProxyHeader): Uint8Array {
  const form = command === 'local' || addresses === undefined ? FORM_UNSPECIFIED : formOf(sameFamily(addresses));
  const size = addressBytes(form) ?? 0;
  const extra = tlvs.reduce((sum, { value }) => sum + TLV_HEADER_BYTES + value.length, 0);
  if (size + extra > 0xffff) throw new ProxyHeaderError('a PROXY header has at most 65,535 bytes behind its first 16');
  const bytes = new Uint8Array(HEADER_BYTES + size + extra);
  const view = new DataView(bytes.buffer);
  bytes.set(SIGNATURE);
  view.setUint8(12, 0x20 | COMMANDS.indexOf(command));
  view.setUint8(13, form);
  view.setUint16(14, size + extra);
  if (size > 0 && addresses !== undefined) writeAddresses(bytes, addresses);
  let at = HEADER_BYTES + size;
  for (const { type, value } of tlvs) {
    view.setUint8(at, type);
    view.setUint16(at + 1, value.length);
    bytes.set(value, at + TLV_HEADER_BYTES);
    at += TLV_HEADER_BYTES + value.length;
  }
  return bytes;
}

/** §2.2.3: a CRC-32C over the whole header, its own four bytes taken as zero. */
export const TLV_CRC32C = 0x03;

function readTlvs(header: Uint8Array, start: number): ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  for (let at = start; at < header.length; ) {
    if (at + TLV_HEADER_BYTES > header.length) return undefined;
    const length = ((header[at + 1] ?? 0) << 8) | (header[at + 2] ?? 0);
    const end = at + TLV_HEADER_BYTES + length;
    if (end > header.length) return undefined;
    // Not slice(): that of a Buffer is a view of what the caller may use again.
    tlvs.push({ type: header[at] ?? 0, value: new Uint8Array(header.subarray(at + TLV_HEADER_BYTES, end)) });
    at = end;
  }
  return tlvs;
}

/** The TLVs are known to be whole. */
function checksumHolds(header: Uint8Array, start: number): boolean {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  for (let at = start; at < header.length; at += TLV_HEADER_BYTES + view.getUint16(at + 1)) {
    if (view.getUint8(at) !== TLV_CRC32C) continue;
    const value = at + TLV_HEADER_BYTES;
    if (view.getUint16(at + 1) !== 4 || crc32c(header, value) !== view.getUint32(value)) return false;
  }
  return true;
}

/** Bytes that both addresses take; undefined for a family or transport that nobody defined. */
function addressBytes(form: number): number | undefined {
  if (form === FORM_UNSPECIFIED) return 0;
  return (form & 0x0f) === 1 || (form & 0x0f) === 2 ? ADDRESS_BYTES[form >>> 4] : undefined;
}

function readAddresses(header: Uint8Array, form: number): ProxyAddresses | undefined {
  const family = FAMILIES[form >>> 4];
  if (family === undefined) return undefined;
  const width = family === 4 ? 4 : 16;
  const ports = HEADER_BYTES + 2 * width;
  const endpoint = (address: number, port: number): Endpoint => ({
    family,
    address: formatAddress(header.subarray(address, address + width)),
    port: ((header[port] ?? 0) << 8) | (header[port + 1] ?? 0),
  });
  return {
    transport: (form & 0x0f) === 1 ? 'stream' : 'dgram',
    source: endpoint(HEADER_BYTES, ports),
    destination: endpoint(HEADER_BYTES + width, ports + 2),
  };
}

function writeAddresses(bytes: Uint8Array, { source, destination }: ProxyAddresses): void {
  let at = HEADER_BYTES;
  for (const { address } of [source, destination]) {
    const value = parseAddress(address);
    if (value === undefined) throw new ProxyHeaderError(`no address: ${address}`);
    bytes.set(value, at);
    at += value.length;
  }
  bytes.set([source.port >>> 8, source.port & 0xff, destination.port >>> 8, destination.port & 0xff], at);
}

function formOf({ transport, source }: ProxyAddresses): number {
  return (source.family === 4 ? 0x10 : 0x20) | (transport === 'stream' ? 1 : 2);
}

const SIGNATURE: Uint8Array = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const HEADER_BYTES = 16;
const TLV_HEADER_BYTES = 3;
const FORM_UNSPECIFIED = 0x00;
const COMMANDS: readonly ProxyHeader['command'][] = ['local', 'proxy'];
/** By the upper half of byte 13: none, IPv4, IPv6, unix. */
const FAMILIES: readonly (Family | undefined)[] = [undefined, 4, 6, undefined];
const ADDRESS_BYTES: readonly (number | undefined)[] = [undefined, 12, 36, 216];
