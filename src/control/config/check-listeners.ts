import { isWildcard } from '../../net/address.ts';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import { soundForwards } from './check-forward.ts';
import type { Check, CheckContext } from './checks.ts';
import { formatPath } from './faults.ts';
import { isSection } from './settings-tree.ts';
import { type ListenerAddress, parseListener } from './units.ts';

/**
 * Two sockets of one protocol cannot share a port, and a wildcard address takes it on every address of its family. Services whose packets can be
 * told apart may name the very same UDP listener, which they share then.
 */
export const checkListeners: Check = (context, findings) => {
  const { config, isSound } = context;
  const sockets = allSockets(context);
  for (const [index, socket] of sockets.entries()) {
    const other = sockets.slice(0, index).find((earlier) => clash(earlier, socket) && !canShare(earlier, socket));
    if (other === undefined) continue;
    const names = `${socket.protocol} port ${socket.local.port} on ${endpointKey(socket.local)}`;
    findings.fault(socket.path, `${names} is taken by ${other.name} already (give each its own port)`);
  }
  const { turn } = config;
  if (turn === undefined || !isSound(['turn', 'relay', 'ports'])) return;
  const { min, max } = turn.relay.ports;
  for (const { path, protocol, local, last = local.port } of sockets) {
    // The port of WireGuard lies there by its nature, and nobody misses one.
    if (protocol !== 'UDP' || last < min || local.port > max || local.port === WIREGUARD_PORT) continue;
    findings.warn(
      path,
      `UDP port ${local.port} lies among the relayed ports ${min}-${max}: it is one port less for clients`,
    );
  }
};

/** Sections with a list of listeners. Their services can share a UDP port: each knows its packets by their first bytes. */
const LISTENING = ['turn', 'wireguard', 'pair'] as const;
type ListeningSection = (typeof LISTENING)[number];

/** The listeners of a service that can be read, with their places in the list as it was written: also when others in it are faulty. */
export function listenersOf(
  { config, isSound, written }: CheckContext,
  service: ListeningSection,
): [path: string[], ListenerAddress][] {
  const settings = config[service];
  if (settings === undefined) return [];
  const withPath = ([index, listener]: [number, ListenerAddress]): [string[], ListenerAddress] => {
    return [[service, 'listen', String(index)], listener];
  };
  const section = written[service];
  const given = isSection(section) ? section.listen : undefined;
  if (given === undefined) return isSound([service]) ? [...settings.listen.entries()].map(withPath) : [];
  const parsed = [given].flat().map((item) => parseListener(String(item)));
  return [...parsed.entries()].flatMap(([index, item]) => (item.ok ? [withPath([index, item.value])] : []));
}

interface Socket {
  readonly path: readonly string[];
  readonly name: string;
  readonly protocol: 'UDP' | 'TCP';
  /** Another section may name it too. */
  readonly shared: boolean;
  readonly local: Endpoint;
  /** Highest port, of a range. */
  readonly last?: number;
}

function allSockets(context: CheckContext): Socket[] {
  const listeners = LISTENING.flatMap((service) => listenersOf(context, service));
  const sockets: Socket[] = listeners.map(([path, { transport, local }]) => ({
    path,
    name: formatPath(path),
    protocol: transport === 'udp' || transport === 'dtls' ? 'UDP' : 'TCP',
    shared: transport === 'udp',
    local,
  }));
  sockets.push(...forwardSockets(context));
  const admin = context.config.admin.listen;
  if (admin !== undefined && context.isSound(['admin', 'listen']))
    sockets.push({ path: ['admin', 'listen'], name: 'admin.listen', protocol: 'TCP', shared: false, local: admin });
  return sockets;
}

/** A range is one entry: `last` is its highest port. */
function forwardSockets(context: CheckContext): Socket[] {
  return soundForwards(context).flatMap(({ listen }, index) =>
    listen.flatMap((listener, at): Socket[] => {
      if (listener.transport === 'unix') return [];
      const { family, address, ports, transport } = listener;
      const path = ['forward', String(index), 'listen', String(at)];
      const protocol = transport === 'udp' ? 'UDP' : 'TCP';
      const local = { family, address, port: ports.min };
      // A forward takes whatever comes: nothing is left for others.
      return [{ path, name: formatPath(path), protocol, shared: false, local, last: ports.max }];
    }),
  );
}

function clash(a: Socket, b: Socket): boolean {
  if (a.protocol !== b.protocol || a.local.family !== b.local.family) return false;
  if (a.local.port === 0 || b.local.port === 0) return false;
  if (a.local.port > (b.last ?? b.local.port) || b.local.port > (a.last ?? a.local.port)) return false;
  return a.local.address === b.local.address || isWildcard(a.local.address) || isWildcard(b.local.address);
}

function canShare(a: Socket, b: Socket): boolean {
  return a.shared && b.shared && a.path[0] !== b.path[0] && a.local.address === b.local.address;
}

const WIREGUARD_PORT = 51_820;
