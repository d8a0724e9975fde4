import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import { soundForwards } from './check-forward.ts';
import type { Check, CheckContext } from './checks.ts';
import { formatPath } from './faults.ts';
import { isSection } from './settings-tree.ts';
import { type ListenerAddress, parseListener } from './units.ts';

/** Two sockets of one protocol cannot share a port, and a wildcard address takes it on every address of its family. */
export const checkListeners: Check = (context, findings) => {
  const { config, isSound } = context;
  const sockets = allSockets(context);
  for (const [index, socket] of sockets.entries()) {
    const other = sockets.slice(0, index).find((earlier) => clash(earlier, socket));
    if (other === undefined) continue;
    const names = `${socket.protocol} port ${socket.local.port} on ${endpointKey(socket.local)}`;
    findings.fault(socket.path, `${names} is taken by ${other.name} already (give each its own port)`);
  }
  const { turn } = config;
  if (turn === undefined || !isSound(['turn', 'relay', 'ports'])) return;
  const { min, max } = turn.relay.ports;
  for (const { path, protocol, local, last = local.port } of sockets) {
    if (protocol !== 'UDP' || last < min || local.port > max) continue;
    findings.warn(
      path,
      `UDP port ${local.port} lies among the relayed ports ${min}-${max}: it is one port less for clients`,
    );
  }
};

/** The listeners of turn that can be read, with their places in the list as it was written: also when others in it are faulty. */
export function turnListeners({ config, isSound, written }: CheckContext): [path: string[], ListenerAddress][] {
  if (config.turn === undefined) return [];
  const given = isSection(written.turn) ? written.turn.listen : undefined;
  if (given === undefined) return isSound(['turn']) ? [...config.turn.listen.entries()].map(withPath) : [];
  const parsed = [given].flat().map((item) => parseListener(String(item)));
  return [...parsed.entries()].flatMap(([index, item]) => (item.ok ? [withPath([index, item.value])] : []));
}

function withPath([index, listener]: [number, ListenerAddress]): [string[], ListenerAddress] {
  return [['turn', 'listen', String(index)], listener];
}

interface Socket {
  readonly path: readonly string[];
  readonly name: string;
  readonly protocol: 'UDP' | 'TCP';
  readonly local: Endpoint;
  /** Highest port, of a range. */
  readonly last?: number;
}

function allSockets(context: CheckContext): Socket[] {
  const sockets: Socket[] = turnListeners(context).map(([path, { transport, local }]) => ({
    path,
    name: formatPath(path),
    protocol: transport === 'udp' || transport === 'dtls' ? 'UDP' : 'TCP',
    local,
  }));
  sockets.push(...forwardSockets(context));
  const admin = context.config.admin.listen;
  if (admin !== undefined && context.isSound(['admin', 'listen']))
    sockets.push({ path: ['admin', 'listen'], name: 'admin.listen', protocol: 'TCP', local: admin });
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
      return [{ path, name: formatPath(path), protocol, local: { family, address, port: ports.min }, last: ports.max }];
    }),
  );
}

function clash(a: Socket, b: Socket): boolean {
  if (a.protocol !== b.protocol || a.local.family !== b.local.family) return false;
  if (a.local.port === 0 || b.local.port === 0) return false;
  if (a.local.port > (b.last ?? b.local.port) || b.local.port > (a.last ?? a.local.port)) return false;
  return a.local.address === b.local.address || isWildcard(a.local) || isWildcard(b.local);
}

function isWildcard({ address }: Endpoint): boolean {
  return address === '0.0.0.0' || address === '::';
}
