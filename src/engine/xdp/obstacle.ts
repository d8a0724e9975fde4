import { BpfLoadError } from '../../sys/libbpf/library.ts';
import { type BpfAbsence, probeBpf } from '../../sys/libbpf/probe.ts';

/** Why the xdp engine does not run, or not on these interfaces. `fix`: what the operator may do about it. */
export interface XdpObstacle {
  readonly reason: BpfAbsence['reason'] | 'no-interface' | 'forwarding-off' | 'load' | 'attach';
  readonly detail: string;
  readonly fix: string;
}

/** What can be said without loading anything. */
export function xdpObstacle(): XdpObstacle | undefined {
  return probeBpf();
}

export function loadObstacle(error: unknown): XdpObstacle {
  const detail = error instanceof BpfLoadError ? error.message : String(error);
  return { reason: 'load', detail, fix: 'report this: the program is tested on Linux 5.18 and newer' };
}
