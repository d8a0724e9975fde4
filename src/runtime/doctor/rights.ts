import type { Capability } from '../../sys/capabilities.ts';
import { about, type Finding } from './finding.ts';

export interface RightsReadings {
  readonly held: ReadonlySet<Capability>;
  /** What the xdp engine needs and this process has not, as its own probe says. */
  readonly lackingForXdp: readonly string[];
  /** net.ipv4.ip_unprivileged_port_start */
  readonly firstFreePort: number;
  /** Of the configuration. */
  readonly ports: readonly number[];
}

/** Causes: what does not work for want of a right is the engine's and the ports' to say. */
export function rightsFindings(readings: RightsReadings): Finding[] {
  return [forXdp(readings), forLowPorts(readings)];
}

function forXdp({ lackingForXdp }: RightsReadings): Finding {
  if (lackingForXdp.length === 0) return rights('xdp', 'ok', 'CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, for xdp');
  const names = lackingForXdp.join(', ');
  return rights(
    'xdp',
    'note',
    `without ${names}, which the xdp engine needs`,
    `AmbientCapabilities=${lackingForXdp.join(' ')} in the systemd unit, docker run ${lackingForXdp.map((name) => `--cap-add ${name.slice(4)}`).join(' ')}, or root`,
  );
}

function forLowPorts({ held, firstFreePort, ports }: RightsReadings): Finding {
  const below = `ports below ${firstFreePort}`;
  if (firstFreePort === 0) return rights('low-ports', 'ok', 'every port is open to every user');
  if (held.has('CAP_NET_BIND_SERVICE')) return rights('low-ports', 'ok', `${below} (CAP_NET_BIND_SERVICE)`);
  const low = [...new Set(ports.filter((port) => port > 0 && port < firstFreePort))];
  if (low.length === 0) return rights('low-ports', 'ok', `no ${below}, and none is configured`);
  return rights(
    'low-ports',
    'note',
    `without CAP_NET_BIND_SERVICE: no ${below}, and ${low.join(', ')} is configured`,
    `AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, docker run --cap-add NET_BIND_SERVICE, or sysctl net.ipv4.ip_unprivileged_port_start=${Math.min(...low)}`,
  );
}

const rights = about('rights');
