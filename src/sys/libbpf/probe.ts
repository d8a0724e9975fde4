import { closeSync } from 'node:fs';
import { release } from 'node:os';
import { heldCapabilities } from '../capabilities.ts';
import { errnoName } from '../errno.ts';
import { libbpf } from './library.ts';

/** Why programs cannot be loaded into the kernel here. `fix`: what the operator may do about it. */
export interface BpfAbsence {
  readonly reason: 'machine' | 'no-ffi' | 'no-library' | 'no-function' | 'old-kernel' | 'no-rights' | 'refused';
  readonly detail: string;
  readonly fix: string;
}

/** What bpf/relay.bpf.c asks of a kernel: bpf_xdp_load_bytes is the youngest. */
export const MINIMUM_KERNEL: readonly [number, number] = [5, 18];

let answer: BpfAbsence | 'fine' | undefined;

/** Whether this process may load programs, asked once; undefined = it may. What an interface can do is another question. */
export function probeBpf(): BpfAbsence | undefined {
  answer ??= probe() ?? 'fine';
  return answer === 'fine' ? undefined : answer;
}

/**
 * Which of the capabilities that the kernel engine needs this process lacks. Without CAP_PERFMON the verifier refuses to subtract pointers and
 * guards every access against speculation. CAP_SYS_ADMIN stands for it and for CAP_BPF.
 */
export function lackingCapabilities(status?: string): readonly string[] {
  const held = heldCapabilities(status);
  const all = held.has('CAP_SYS_ADMIN');
  return (['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'] as const).filter(
    (name) => !held.has(name) && !(all && name !== 'CAP_NET_ADMIN'),
  );
}

/** The same as an answer. */
export function rightsAbsence(): BpfAbsence | undefined {
  const lacking = lackingCapabilities();
  if (lacking.length === 0) return undefined;
  return { reason: 'no-rights', detail: `without ${lacking.join(', ')}`, fix: FIX_RIGHTS };
}

/** "6.1.0-18-amd64" → whether it is at least `minimum`. What is no version counts as new. */
export function isKernelAtLeast(minimum: readonly [number, number], version: string = release()): boolean {
  const match = /^(\d+)\.(\d+)/.exec(version);
  if (match === null) return true;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > minimum[0] || (major === minimum[0] && minor >= minimum[1]);
}

function probe(): BpfAbsence | undefined {
  const library = libbpf();
  if (!library.ok) {
    const fix =
      library.reason === 'no-library' ? 'install libbpf 1.x (Debian, Ubuntu: apt-get install libbpf1)' : FIX_FFI;
    return { reason: library.reason, detail: library.detail, fix };
  }
  if (!isKernelAtLeast(MINIMUM_KERNEL)) {
    const wanted = MINIMUM_KERNEL.join('.');
    return {
      reason: 'old-kernel',
      detail: `Linux ${release()} is older than ${wanted}`,
      fix: `run Linux ${wanted} or newer`,
    };
  }
  const lacking = rightsAbsence();
  if (lacking !== undefined) return lacking;
  const fd = library.functions.bpf_map_create(MAP_TYPE_ARRAY, 'culvert_probe', 4, 4, 1, null);
  if (fd < 0) {
    // Capabilities of a user namespace of one's own do not count, and a container's seccomp filter may refuse bpf(2) altogether.
    return { reason: 'refused', detail: `bpf(2) says ${errnoName(-fd)}`, fix: FIX_REFUSED };
  }
  closeSync(fd);
  return undefined;
}

const MAP_TYPE_ARRAY = 2;
const FIX_FFI = 'install the optional package koffi, on a machine that it has binaries for';
const FIX_RIGHTS =
  'run as root, or give the process CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (systemd: AmbientCapabilities; docker: --cap-add)';
const FIX_REFUSED = 'allow bpf(2): outside user namespaces, and in the seccomp profile of the container';
