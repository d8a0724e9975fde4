import { formatAddress, parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import { type Prefix, parsePrefix } from '../../net/prefix.ts';
import { HOUR, MINUTE, type Millis, SECOND } from '../../net/time.ts';

/** A value, or what was expected instead: the reason becomes the text of a fault. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

export type ListenerTransport = 'udp' | 'tcp' | 'tls' | 'dtls';

export interface ListenerAddress {
  readonly transport: ListenerTransport;
  readonly local: Endpoint;
}

export interface PortRange {
  /** Inclusive. */
  readonly min: number;
  readonly max: number;
}

/** "500ms", "30s", "10m", "1h", "2d" → milliseconds. */
export function parseDuration(text: string): Parsed<Millis> {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  const unit = durationUnits[match?.[2] ?? ''];
  if (match === null || unit === undefined) {
    return fault(`"${text}" is not a duration (write a whole number and a unit: 500ms, 30s, 10m, 1h, 2d)`);
  }
  return ok(Number(match[1]) * unit);
}

/** "1500", "64k", "10M", "1Gi": k, M, G are powers of 1000, Ki, Mi, Gi of 1024; a B behind them is allowed. → bytes */
export function parseSize(text: string): Parsed<number> {
  const match = /^(\d{1,12})(k|M|G|Ki|Mi|Gi)?B?$/.exec(text);
  const unit = sizeUnits[match?.[2] ?? ''];
  const size = Number(match?.[1]) * (unit ?? 0);
  if (match === null || unit === undefined || !Number.isSafeInteger(size)) {
    return fault(`"${text}" is not a size (write a whole number of bytes and perhaps a unit: 1500, 64k, 10M, 1Gi)`);
  }
  return ok(size);
}

/** "49152-65535", or one port. */
export function parsePortRange(text: string): Parsed<PortRange> {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return fault(`"${text}" is not a port range (write lowest-highest, such as 49152-65535)`);
  const min = Number(match[1]);
  const max = Number(match[2] ?? match[1]);
  if (min < 1 || max > 65535) return fault(`"${text}": ports go from 1 to 65535`);
  if (min > max) return fault(`"${text}": the lowest port is above the highest (write ${max}-${min})`);
  return ok({ min, max });
}

/** "udp://0.0.0.0:3478", "tls://[::]:5349". Port 0 lets the system choose. */
export function parseListener(text: string): Parsed<ListenerAddress> {
  const match = /^(udp|tcp|tls|dtls):\/\/(.*)$/.exec(text);
  if (match === null) {
    return fault(`"${text}" is not a listener (write udp://, tcp:// or tls://, then address:port: udp://0.0.0.0:3478)`);
  }
  const local = parseHostPort(match[2] ?? '');
  if (!local.ok) return fault(`"${text}": ${local.reason}`);
  return ok({ transport: match[1] as ListenerTransport, local: local.value });
}

/** As parseListener, for a service that speaks UDP only. */
export function parseUdpListener(text: string): Parsed<ListenerAddress> {
  const parsed = parseListener(text);
  if (!parsed.ok || parsed.value.transport === 'udp') return parsed;
  return fault(`"${text}": this service listens on UDP only (write udp://)`);
}

/** "http://127.0.0.1:8666" or "off". */
export function parseHttpListener(text: string): Parsed<Endpoint | undefined> {
  if (text === 'off') return ok(undefined);
  const match = /^http:\/\/([^/]*)\/?$/.exec(text);
  if (match === null) {
    return fault(
      `"${text}" is not an HTTP listener (write http://address:port, such as http://127.0.0.1:8666, or off)`,
    );
  }
  const local = parseHostPort((match[1] ?? '').replace(/^localhost:/, '127.0.0.1:'));
  return local.ok ? local : fault(`"${text}": ${local.reason}`);
}

/** IP address → its canonical text. */
export function parseIp(text: string): Parsed<string> {
  const bytes = text.includes('%') ? undefined : parseAddress(text);
  return bytes === undefined ? fault(`"${text}" is not an IP address`) : ok(formatAddress(bytes));
}

function parseIpv4(text: string): Parsed<string> {
  const parsed = parseIp(text);
  return parsed.ok && parsed.value.includes(':') ? fault(`"${text}" is not an IPv4 address`) : parsed;
}

export function parseIpv6(text: string): Parsed<string> {
  const parsed = parseIp(text);
  return parsed.ok && !parsed.value.includes(':') ? fault(`"${text}" is not an IPv6 address`) : parsed;
}

/** One that others can be told. */
export function parseHostIpv4(text: string): Parsed<string> {
  return ofOneHost(parseIpv4(text));
}

export function parseHostIpv6(text: string): Parsed<string> {
  return ofOneHost(parseIpv6(text));
}

function ofOneHost(parsed: Parsed<string>): Parsed<string> {
  if (!parsed.ok || !NO_HOST.test(parsed.value)) return parsed;
  return fault(`"${parsed.value}" is the address of no host (leave it out for this machine's own)`);
}

export function parseCidr(text: string): Parsed<Prefix> {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return ok(prefix);
  return fault(
    `"${text}" is not an address block (write CIDR such as 10.0.0.0/8 or 2001:db8::/32, no bits set beyond the length)`,
  );
}

function parseHostPort(text: string): Parsed<Endpoint> {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) {
    return fault('address and port are expected, an IPv6 address in brackets (0.0.0.0:3478, [::]:3478)');
  }
  const port = Number(match[3]);
  if (port > 65535) return fault('ports go up to 65535');
  const parsed = match[1] === undefined ? parseIpv4(match[2] ?? '') : parseIpv6(match[1]);
  if (!parsed.ok) return fault(`${parsed.reason} (listeners take addresses, not names; 0.0.0.0 and [::] mean all)`);
  return ok({ family: match[1] === undefined ? 4 : 6, address: parsed.value, port });
}

const durationUnits: Readonly<Record<string, Millis>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: 24 * HOUR,
};

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** All addresses, groups (RFC 5771, RFC 4291 §2.7) and broadcast. */
const NO_HOST = /^(0\.|22[4-9]\.|23\d\.|255\.255\.255\.255$|::$|ff)/;

function ok<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function fault(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
