import { type Family, isWildcard, parseAddress } from '../../net/address.ts';
import type { Check, CheckContext, Findings } from './checks.ts';
import type { ForwardSettings } from './forward.ts';
import type { ForwardListener, ForwardUpstream } from './forward-units.ts';
import type { Config } from './schema.ts';

/** What listens, what it leads to, and the rest of each forward must fit together. */
export const checkForward: Check = (context, findings) => {
  const forwards = soundForwards(context);
  const names = new Map<string, number>();
  for (const [index, forward] of forwards.entries()) {
    const path = ['forward', String(index)];
    const first = names.get(forward.name);
    if (first === undefined) names.set(forward.name, index);
    else findings.fault([...path, 'name'], `forward[${first}] is called ${forward.name} already (names are unique)`);
    checkPlaces(forward, path, findings);
    if (leadsBack(forward)) {
      const key = forward.sni === undefined ? 'to' : 'sni';
      findings.fault([...path, key], 'leads back to where the forward listens (name another host or port)');
    }
    checkHealth(forward, path, findings);
    if (forward.transparent) checkTransparent(forward, context.config.engine, [...path, 'transparent'], findings);
    if (isDatagram(forward) && forward.proxyOut === 'v1') {
      findings.fault([...path, 'proxyOut'], 'version 1 knows no UDP (write v2)');
    }
    for (const key of ['idle', 'connectTimeout'] as const) {
      if (forward[key] === 0) findings.fault([...path, key], 'must be longer than nothing');
    }
  }
};

/** Empty when the section is faulty anywhere: lists go as a whole. */
export function soundForwards({ config, isSound }: CheckContext): readonly ForwardSettings[] {
  return isSound(['forward']) ? (config.forward ?? []) : [];
}

/** Of all names, where server names choose among them. */
export function upstreamsOf({ to, sni }: Pick<ForwardSettings, 'to' | 'sni'>): readonly ForwardUpstream[] {
  return sni === undefined ? (to ?? []) : Object.values(sni).flat();
}

export function isDatagram({ listen, to = [] }: Pick<ForwardSettings, 'listen' | 'to'>): boolean {
  return [...listen, ...to].some(({ transport }) => transport === 'udp');
}

function checkPlaces(forward: ForwardSettings, path: readonly string[], findings: Findings): void {
  const { listen, to = [], sni } = forward;
  for (const key of ['listen', 'to'] as const) {
    if (forward[key]?.length === 0) findings.fault([...path, key], 'is empty (name at least one)');
  }
  if (sni !== undefined) checkServerNames(forward, sni, path, findings);
  const all = [...listen, ...to];
  if (isDatagram(forward) && all.some(({ transport }) => transport !== 'udp')) {
    findings.fault(
      [...path, 'to'],
      'leads from UDP to something else (make every listen and to of it udp://, or none)',
    );
  }
  const widths = new Set(listen.map(width));
  const widest = Math.max(1, ...widths);
  if (widths.size > 1) findings.fault([...path, 'listen'], 'has port ranges of different lengths (make them equal)');
  for (const [index, upstream] of to.entries()) {
    const ports = width(upstream);
    if (ports === 1 || ports === widest) continue;
    const wanted = widest === 1 ? 'one port' : `one port or ${widest}`;
    findings.fault([...path, 'to', String(index)], `has ${ports} ports, listen has ${widest} (give it ${wanted})`);
  }
}

function checkServerNames(
  { listen, to }: ForwardSettings,
  sni: NonNullable<ForwardSettings['sni']>,
  path: readonly string[],
  findings: Findings,
): void {
  const at = [...path, 'sni'];
  if (to !== undefined) findings.fault([...path, 'to'], 'cannot stand beside sni (write sni.default)');
  const all = Object.entries(sni);
  if (all.length === 0) findings.fault(at, 'is empty (name at least one)');
  if ([...listen, ...all.flatMap(([, upstreams]) => upstreams)].some(({ transport }) => transport === 'udp')) {
    findings.fault(at, 'is for TLS over TCP (make every listen and upstream tcp:// or unix://)');
  }
  const widest = Math.max(1, ...listen.map(width));
  for (const [name, upstreams] of all) {
    if (upstreams.length === 0) findings.fault([...at, name], 'is empty (name at least one)');
    if (!upstreams.map(width).every((ports) => ports === 1 || ports === widest)) {
      findings.fault(
        [...at, name],
        `has a range of ports (give it ${widest === 1 ? 'one port' : `one port or ${widest}`})`,
      );
    }
  }
}

/** Its own client, each connection would make the next. Names that lead to this machine are not known here. */
function leadsBack(forward: ForwardSettings): boolean {
  return upstreamsOf(forward).some((upstream) => forward.listen.some((listener) => isSame(listener, upstream)));
}

function isSame(listener: ForwardListener, upstream: ForwardUpstream): boolean {
  if (listener.transport === 'unix' || upstream.transport === 'unix') {
    return listener.transport === 'unix' && upstream.transport === 'unix' && listener.path === upstream.path;
  }
  const { host, ports } = upstream;
  if (listener.ports.max < ports.min || ports.max < listener.ports.min) return false;
  const loopback = host === 'localhost' || (listener.family === 4 ? host.startsWith('127.') : host === '::1');
  return host === listener.address || (isWildcard(listener.address) && loopback);
}

function checkHealth(forward: ForwardSettings, path: readonly string[], findings: Findings): void {
  const { health } = forward;
  if (health === undefined) return;
  const at = [...path, 'health'];
  if (isDatagram(forward) && health.send === undefined) {
    findings.fault([...at, 'send'], 'is missing: a UDP upstream is only known to live by its reply to something');
  }
  if (!isDatagram(forward) && (health.send !== undefined || health.expect !== undefined)) {
    findings.fault([...at, health.send === undefined ? 'expect' : 'send'], 'is for UDP (a TCP check is a connect)');
  }
  for (const key of ['interval', 'timeout'] as const) {
    if (health[key] === 0) findings.fault([...at, key], 'must be longer than nothing');
  }
}

function checkTransparent(
  { listen, proxyIn, ...upstreams }: ForwardSettings,
  engine: Config['engine'],
  at: readonly string[],
  findings: Findings,
): void {
  const to = upstreamsOf(upstreams);
  if (engine === 'portable') {
    const mend =
      "write engine: auto or batched; or proxyOut: v2 here, by which the upstream is told the client's address";
    findings.fault(at, `is beyond the portable engine (${mend})`);
  }
  if ([...listen, ...to].some(({ transport }) => transport === 'unix')) {
    findings.fault(
      at,
      'is for addresses, which a unix socket has not (make every listen and to tcp://, or leave it out)',
    );
  }
  // Of names, and of clients whom a header tells of, the family is known later.
  if (proxyIn.length > 0) return;
  const led = new Set(to.map((upstream) => ('host' in upstream ? familyOf(upstream.host) : undefined)));
  if (led.has(undefined)) return;
  const strays = listen.flatMap((listener) =>
    'family' in listener && !led.has(listener.family) ? [listener.family] : [],
  );
  for (const family of new Set(strays)) {
    findings.fault(
      at,
      `leads nowhere from IPv${family}: a client is the source towards his own family alone (add an upstream of IPv${family})`,
    );
  }
}

/** Undefined of a name. */
function familyOf(host: string): Family | undefined {
  const bytes = parseAddress(host);
  return bytes && (bytes.length === 4 ? 4 : 6);
}

function width(place: ForwardListener | ForwardUpstream): number {
  return place.transport === 'unix' ? 1 : place.ports.max - place.ports.min + 1;
}
