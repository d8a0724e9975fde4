import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { interfaceIndex } from '../../sys/interfaces.ts';
import { BpfLoadError } from '../../sys/libbpf/library.ts';
import { type BpfAbsence, probeBpf, rightsAbsence } from '../../sys/libbpf/probe.ts';
import { loadLibc } from '../../sys/libc.ts';
import { nativeObstacle } from './native.ts';

/** Why the xdp engine does not run, or not on these interfaces. `fix`: what the operator may do about it. */
export interface XdpObstacle {
  readonly reason: BpfAbsence['reason'] | 'no-interface' | 'forwarding-off' | 'load' | 'attach' | 'generic';
  readonly detail: string;
  readonly fix: string;
}

/** What can be said without loading anything. */
export function placeObstacle(interfaces: readonly string[]): XdpObstacle | undefined {
  return probeBpf() ?? interfaceObstacle(interfaces);
}

/**
 * Why `auto` does not take the engine. What costs nothing is asked first: where it does not run nothing of libbpf is loaded. In the drivers, or
 * not at all: generic it is no faster than batched.
 */
export function autoObstacle(interfaces: readonly string[]): XdpObstacle | undefined {
  try {
    // Interfaces are asked through libc.
    if (!loadLibc().ok) return probeBpf();
    return (
      interfaceObstacle(interfaces) ??
      rightsAbsence() ??
      genericObstacle(interfaces) ??
      probeBpf() ??
      lookupObstacle(interfaces)
    );
  } catch (error) {
    return { reason: 'generic', detail: `what the drivers can do is not known, ${String(error)}`, fix: GENERIC_FIX };
  }
}

/** Why it would not run in the drivers. */
export function genericObstacle(interfaces: readonly string[]): XdpObstacle | undefined {
  const detail = nativeObstacle(interfaces);
  return detail === undefined ? undefined : { reason: 'generic', detail, fix: GENERIC_FIX };
}

/**
 * The kernel looks a route up only for a packet that came in by an interface that forwards. With lo forwarding, which makes no router of
 * the machine, routes are looked up as for packets of its own, which relayed ones are. Returns the interface to name, 0 for that of each
 * packet; undefined when there is none. `switchedOn` hears of each setting that was off.
 */
export function enableLookups(
  interfaces: readonly string[],
  switchedOn: (path: string) => void = () => undefined,
): number | undefined {
  return lookupIfindex(interfaces, (path) => {
    writeFileSync(path, '1');
    switchedOn(path);
  });
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

export const GENERIC_FIX = 'engine: xdp, which runs it generic, above the driver';

export const FORWARDING_OFF: XdpObstacle = {
  reason: 'forwarding-off',
  detail: 'the kernel looks up no routes for a program: no interface forwards, and /proc/sys cannot be written',
  fix: 'sysctl net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1, which makes no router of the machine (docker: --sysctl)',
};
