import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { interfaceIndex } from '../../sys/interfaces.ts';
import { BpfLoadError } from '../../sys/libbpf/library.ts';
import { type BpfAbsence, probeBpf } from '../../sys/libbpf/probe.ts';

/** Why the xdp engine does not run, or not on these interfaces. `fix`: what the operator may do about it. */
export interface XdpObstacle {
  readonly reason: BpfAbsence['reason'] | 'no-interface' | 'forwarding-off' | 'load' | 'attach';
  readonly detail: string;
  readonly fix: string;
}

/** What can be said without loading anything. */
export function placeObstacle(interfaces: readonly string[]): XdpObstacle | undefined {
  return probeBpf() ?? interfaceObstacle(interfaces);
}

/**
 * The kernel looks a route up only for a packet that came in by an interface that forwards. With lo forwarding, which makes no router of
 * the machine, routes are looked up as for packets of its own, which relayed ones are. Returns the interface to name, 0 for that of each
 * packet; undefined when there is none.
 */
export function enableLookups(interfaces: readonly string[]): number | undefined {
  return lookupIfindex(interfaces, (path) => writeFileSync(path, '1'));
}

/** Whether that would work, with nothing switched on. */
export function lookupObstacle(interfaces: readonly string[]): XdpObstacle | undefined {
  const ifindex = lookupIfindex(interfaces, (path) => accessSync(path, constants.W_OK));
  return ifindex === undefined ? FORWARDING_OFF : undefined;
}

export function loadObstacle(error: unknown): XdpObstacle {
  const detail = error instanceof BpfLoadError ? error.message : String(error);
  return { reason: 'load', detail, fix: 'report this: the program is tested on Linux 5.18 and newer' };
}

function interfaceObstacle(names: readonly string[]): XdpObstacle | undefined {
  const unknown = names.filter((name) => interfaceIndex(name) === 0);
  if (names.length > 0 && unknown.length === 0) return undefined;
  const detail = names.length === 0 ? 'no interface carries a listener' : `there is no interface ${unknown.join(', ')}`;
  return { reason: 'no-interface', detail, fix: 'name interfaces of this machine in `interfaces`; lo is of no use' };
}

/** `enable` throws where it cannot. */
function lookupIfindex(interfaces: readonly string[], enable: (path: string) => void): number | undefined {
  const forwards = (name: string): boolean =>
    (['ipv4', 'ipv6'] as const).every((family) => {
      const path = `/proc/sys/net/${family}/conf/${name}/forwarding`;
      try {
        if (readFileSync(path, 'utf8').trim() === '1') return true;
        if (name !== 'lo') return false;
        enable(path);
        return true;
      } catch (error) {
        // Without IPv6 nothing is looked up there.
        return family === 'ipv6' && (error as NodeJS.ErrnoException).code === 'ENOENT';
      }
    });
  if (forwards('lo')) return interfaceIndex('lo');
  return interfaces.every(forwards) ? 0 : undefined;
}

export const FORWARDING_OFF: XdpObstacle = {
  reason: 'forwarding-off',
  detail: 'the kernel looks up no routes for a program: no interface forwards, and /proc/sys cannot be written',
  fix: 'sysctl net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1, which makes no router of the machine (docker: --sysctl)',
};
