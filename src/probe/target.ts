export type TransportKind = 'udp' | 'tcp' | 'tls';

/** Where a probe URL points, and what it asks to be done there. */
export interface ProbeTarget {
  readonly service: 'stun' | 'turn' | 'wireguard' | 'pair' | 'tcp' | 'udp';
  readonly transport: TransportKind;
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly credentials: PasswordCredentials | undefined;
}

export interface PasswordCredentials {
  readonly username: string;
  readonly password: string;
}

export type TargetResult =
  | { readonly ok: true; readonly target: ProbeTarget }
  | { readonly ok: false; readonly fault: string };

/**
 * `turn:host`, `turns:user:password@[2001:db8::1]:5349?transport=tcp` … (RFC 7064 §3, RFC 7065 §3, with two additions: credentials in front
 * of the host, and `transport` on stun too). The password begins behind the last colon, because the user names of time-limited
 * credentials contain one; either part may be percent-encoded.
 */
export function parseTarget(url: string): TargetResult {
  const parts = /^([a-z][a-z0-9+.-]*):(?:\/\/)?(.*)$/i.exec(url.trim());
  const scheme = parts?.[1]?.toLowerCase();
  const rest = parts?.[2];
  if (scheme === undefined || rest === undefined) return fault(`"${url}" is no URL; ${EXAMPLES}`);
  if (scheme === 'tcp' || scheme === 'udp') return parseForward(scheme, rest);
  const form = FORMS.get(scheme);
  if (form === undefined) return fault(`unknown scheme "${scheme}:"; ${EXAMPLES}`);

  const [place = '', query] = split(rest, rest.indexOf('?'));
  const at = place.lastIndexOf('@');
  const hostAndPort = parseHost(place.slice(at + 1), form.port);
  if (hostAndPort === undefined) {
    return fault(`"${place.slice(at + 1)}" is no host, host:port or [IPv6 address]:port; ${EXAMPLES}`);
  }
  const credentials = at < 0 ? undefined : parseCredentials(place.slice(0, at));
  if (at >= 0 && credentials === undefined)
    return fault('credentials in the URL must have the form user:password@host');
  if ((form.service === 'pair' || form.service === 'wireguard') && (at >= 0 || query !== undefined)) {
    return fault(`${form.service}: takes a host and a port alone`);
  }
  const transport = parseTransport(query, form.secure);
  if ('fault' in transport) return fault(transport.fault);
  return { ok: true, target: { service: form.service, transport: transport.kind, ...hostAndPort, credentials } };
}

/** Any port: nobody but the user knows which. */
function parseForward(transport: 'tcp' | 'udp', rest: string): TargetResult {
  const place = parseHost(rest, 0);
  if (place === undefined) return fault(`"${rest}" is no host:port or [IPv6 address]:port; use ${transport}:host:port`);
  return { ok: true, target: { service: transport, transport, ...place, credentials: undefined } };
}

const EXAMPLES =
  'use stun:host[:port], turn:host[:port][?transport=udp|tcp], turns:host[:port], wireguard:host[:port], pair:host[:port], tcp:host:port or udp:host:port';

interface Form {
  readonly service: ProbeTarget['service'];
  readonly secure: boolean;
  /** Where none is given. */
  readonly port: number;
}

const FORMS: ReadonlyMap<string, Form> = new Map([
  ['stun', { service: 'stun', secure: false, port: 3478 }],
  ['stuns', { service: 'stun', secure: true, port: 5349 }],
  ['turn', { service: 'turn', secure: false, port: 3478 }],
  ['turns', { service: 'turn', secure: true, port: 5349 }],
  ['wireguard', { service: 'wireguard', secure: false, port: 51820 }],
  ['pair', { service: 'pair', secure: false, port: 6060 }],
]);

function parseHost(text: string, defaultPort: number): { host: string; port: number } | undefined {
  const found = /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/i.exec(text);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined) return undefined;
  const port = found?.[3] === undefined ? defaultPort : Number(found[3]);
  return port >= 1 && port <= 65535 ? { host, port } : undefined;
}

function parseCredentials(text: string): PasswordCredentials | undefined {
  const [username, password] = split(text, text.lastIndexOf(':'));
  if (!username || !password) return undefined;
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

function parseTransport(query: string | undefined, secure: boolean): { kind: TransportKind } | { fault: string } {
  if (query === undefined) return { kind: secure ? 'tls' : 'udp' };
  const asked = /^transport=(udp|tcp)$/i.exec(query)?.[1]?.toLowerCase();
  if (asked === undefined)
    return { fault: `"?${query}" is not understood; only ?transport=udp and ?transport=tcp are` };
  if (secure && asked === 'udp')
    return { fault: 'TURN over DTLS (a secure scheme with ?transport=udp) is not available yet' };
  return { kind: secure ? 'tls' : asked === 'tcp' ? 'tcp' : 'udp' };
}

function split(text: string, at: number): [string, string | undefined] {
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function fault(text: string): TargetResult {
  return { ok: false, fault: text };
}
