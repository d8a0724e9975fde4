import type { Family } from '../../net/address.ts';
import { formatAddress, parseAddress } from '../../net/address.ts';
import { type Parsed, type PortRange, parsePortRange } from './units.ts';

/** Where a forward listens, or leads: one host and its ports, or a socket of the file system. */
export type ForwardListener =
  | { readonly transport: 'tcp' | 'udp'; readonly family: Family; readonly address: string; readonly ports: PortRange }
  | { readonly transport: 'unix'; readonly path: string };

export type ForwardUpstream =
  | { readonly transport: 'tcp' | 'udp'; readonly host: string; readonly ports: PortRange }
  | { readonly transport: 'unix'; readonly path: string };

/** "tcp://0.0.0.0:5000-5009", "udp://[::]:53", "unix:///run/app.sock". Port 0 lets the system choose. */
export function parseForwardListener(text: string): Parsed<ForwardListener> {
  const parts = split(text);
  if (!parts.ok || parts.value.transport === 'unix') return parts as Parsed<ForwardListener>;
  const { transport, host, ports } = parts.value;
  const bytes = parseAddress(host);
  if (bytes === undefined) {
    return fault(`"${text}": listeners take addresses, not names (0.0.0.0 and [::] mean all)`);
  }
  const family = bytes.length === 4 ? 4 : 6;
  const range = ports === '0' ? { ok: true as const, value: { min: 0, max: 0 } } : parsePortRange(ports);
  if (!range.ok) return fault(`"${text}": ${range.reason}`);
  if (range.value.max - range.value.min >= MAX_PORTS) return fault(`"${text}": a range has at most ${MAX_PORTS} ports`);
  return { ok: true, value: { transport, family, address: formatAddress(bytes), ports: range.value } };
}

/** "tcp://name.example:80", "udp://[2001:db8::1]:5000-5009", "unix:///run/app.sock". */
export function parseUpstream(text: string): Parsed<ForwardUpstream> {
  const parts = split(text);
  if (!parts.ok || parts.value.transport === 'unix') return parts as Parsed<ForwardUpstream>;
  const { transport, host, ports } = parts.value;
  const bytes = parseAddress(host);
  if (bytes === undefined && !isHostName(host))
    return fault(`"${text}": "${host}" is neither an address nor a host name`);
  const range = parsePortRange(ports);
  if (!range.ok) return fault(`"${text}": ${range.reason}`);
  const canonical = bytes === undefined ? host.toLowerCase() : formatAddress(bytes);
  return { ok: true, value: { transport, host: canonical, ports: range.value } };
}

/** Text as it is, or "hex:0102ff". */
export function parsePayload(text: string): Parsed<Uint8Array> {
  if (!text.startsWith('hex:')) return { ok: true, value: new Uint8Array(Buffer.from(text)) };
  const digits = text.slice(4).replaceAll(' ', '');
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits))
    return fault(`"${text}" is not hex:, followed by pairs of hexadecimal digits`);
  return { ok: true, value: new Uint8Array(Buffer.from(digits, 'hex')) };
}

/** RFC 1123 §2.1, with underscores, which service names in private zones have. A number alone is a mistyped address. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && HOST_NAME.test(text) && !/^[\d.]+$/.test(text);
}

type Parts =
  | { readonly transport: 'tcp' | 'udp'; readonly host: string; readonly ports: string }
  | { readonly transport: 'unix'; readonly path: string };

function split(text: string): Parsed<Parts> {
  const [, scheme, rest = ''] = /^(tcp|udp|unix):\/\/(.*)$/.exec(text) ?? [];
  if (scheme === undefined) {
    return fault(`"${text}" has none of the forms tcp://host:port, udp://host:port, unix:///path`);
  }
  if (scheme === 'unix') {
    // sockaddr_un takes 108 bytes on Linux, fewer elsewhere.
    if (!rest.startsWith('/') || Buffer.byteLength(rest) > 103) {
      return fault(`"${text}": an absolute path of at most 103 bytes is expected (unix:///run/app.sock)`);
    }
    return { ok: true, value: { transport: 'unix', path: rest } };
  }
  const place = /^(?:\[([^\]%]*)\]|([^:[\]]+)):([\d-]+)$/.exec(rest);
  const host = place?.[1] ?? place?.[2];
  if (place === null || host === undefined) {
    return fault(`"${text}": host and port are expected, an IPv6 address in brackets (10.0.0.1:80, [2001:db8::1]:80)`);
  }
  return { ok: true, value: { transport: scheme === 'tcp' ? 'tcp' : 'udp', host, ports: place[3] ?? '' } };
}

function fault(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

const HOST_NAME = /^(?!-)[\w-]{1,63}(?<!-)(?:\.(?!-)[\w-]{1,63}(?<!-))*\.?$/;
/** Each port is a socket. */
const MAX_PORTS = 1024;
