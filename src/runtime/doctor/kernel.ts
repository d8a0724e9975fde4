import type { Feature, FeatureName } from '../../sys/features.ts';
import type { Loaded } from '../../sys/ffi.ts';
import { isKernelAtLeast, MINIMUM_KERNEL } from '../../sys/libbpf/probe.ts';
import { about, type Finding } from './finding.ts';

export interface KernelReadings {
  /** Such as "6.1.0-18-amd64". */
  readonly release: string;
  /** Without libc nothing can be asked of the kernel. */
  readonly libc: Loaded<object>;
  readonly features: Readonly<Record<FeatureName, Feature>>;
  /** Those that the configuration switches off. */
  readonly off: ReadonlySet<FeatureName>;
  /** Version, or why it cannot be had. */
  readonly libbpf: Loaded<{ libbpf_version_string(): string }>;
  readonly bpfFileSystem: string | undefined;
}

export function kernelFindings(readings: KernelReadings): Finding[] {
  return [release(readings), ...features(readings), libbpf(readings), bpfFileSystem(readings)];
}

function release({ release: version }: KernelReadings): Finding {
  const minimum = MINIMUM_KERNEL.join('.');
  if (isKernelAtLeast(MINIMUM_KERNEL, version)) return kernel('release', 'ok', `Linux ${version} (xdp: ${minimum})`);
  return kernel(
    'release',
    'note',
    `Linux ${version} is older than ${minimum}, which the xdp engine needs`,
    `run Linux ${minimum} or newer`,
  );
}

function features({ features: answers, off, libc }: KernelReadings): Finding[] {
  if (!libc.ok) return [kernel('libc', 'note', `nothing can be asked of the kernel: ${libc.detail}`, FIX_LIBC)];
  return Object.entries(answers).map(([name, answer]) => {
    if (off.has(name as FeatureName)) return kernel(name, 'ok', `${name}: switched off by the configuration`);
    if (answer.supported) return kernel(name, 'ok', `${name}: works`);
    const { needs, detail } = answer;
    const fix = `${needs} or newer; where it is, allow ${name} in the sandbox (docker: the seccomp profile)`;
    return kernel(name, 'note', `${name}: no (${detail})`, fix);
  });
}

function libbpf({ libbpf: answer }: KernelReadings): Finding {
  if (answer.ok) return kernel('libbpf', 'ok', `libbpf ${answer.functions.libbpf_version_string()}`);
  const fix = answer.reason === 'no-library' ? 'apt-get install libbpf1' : 'install libbpf 1.x and the package koffi';
  return kernel('libbpf', 'note', `no libbpf: ${answer.detail}`, fix);
}

function bpfFileSystem({ bpfFileSystem: path }: KernelReadings): Finding {
  if (path !== undefined) return kernel('bpffs', 'ok', `bpf file system at ${path}`);
  return kernel(
    'bpffs',
    'note',
    'no bpf file system: where the xdp engine cannot mount it, what it does in the kernel ends with its process',
    'mount -t bpf bpf /sys/fs/bpf (docker: -v /sys/fs/bpf:/sys/fs/bpf); in a network namespace start it by nsenter --net=/run/netns/NAME, because ip netns exec hides it from who may not look at other processes (CAP_SYS_PTRACE)',
  );
}

const kernel = about('kernel');
const FIX_LIBC = 'npm install koffi, on a machine that it has binaries for';
