import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { feature } from '../src/sys/features.ts';
import { loadLibrary } from '../src/sys/ffi.ts';
import { probeBpf } from '../src/sys/libbpf/probe.ts';

/** What a test may need beyond Node. */
export type Requirement =
  | 'root'
  | 'netns'
  | 'coturn'
  | 'chromium'
  | 'openssl'
  | 'ipv6'
  | 'cc'
  | 'npm'
  | 'wireguard'
  | 'curl'
  | 'socat'
  | 'systemd'
  | 'iperf3'
  | 'haproxy'
  | 'nginx'
  | 'nft'
  | 'ffi'
  | 'glibc'
  | 'trains'
  | 'bpf'
  | 'clang';

/** For node:test's `skip` option: false to run, or the reason why not. With CULVERT_REQUIRE=all nothing is skipped, so that what is missing fails. */
export function missing(...requirements: Requirement[]): string | false {
  if (process.env.CULVERT_REQUIRE === 'all') return false;
  for (const requirement of requirements) {
    const reason = probes[requirement]();
    if (reason !== undefined) return `needs ${requirement}: ${reason}`;
  }
  return false;
}

const probes: Record<Requirement, () => string | undefined> = {
  root: () => (process.getuid?.() === 0 ? undefined : 'not running as root'),
  netns: () => probes.root() ?? commandMissing('ip'),
  coturn: () => commandMissing('turnutils_uclient') ?? commandMissing('turnserver'),
  chromium: () => commandMissing('chromium'),
  openssl: () => commandMissing('openssl'),
  cc: () => commandMissing('cc'),
  npm: () => commandMissing('npm'),
  wireguard: () => commandMissing('wireguard-go') ?? commandMissing('wg') ?? commandMissing('ping') ?? noTun(),
  curl: () => commandMissing('curl'),
  socat: () => commandMissing('socat'),
  systemd: () => commandMissing('systemd-socket-activate'),
  iperf3: () => commandMissing('iperf3'),
  haproxy: () => commandMissing('haproxy'),
  nginx: () => commandMissing('nginx'),
  nft: () => commandMissing('nft'),
  ffi: () => {
    const libc = loadLibrary([null], {});
    return libc.ok ? undefined : libc.detail;
  },
  glibc: () => {
    const libc = loadLibrary([null], { gnu_get_libc_version: 'const char *gnu_get_libc_version()' });
    return libc.ok ? undefined : libc.detail;
  },
  trains: () => {
    const missed = (['udp-segment', 'udp-gro'] as const).find((name) => !feature(name).supported);
    return missed && `the kernel lacks ${missed}`;
  },
  bpf: () => {
    const answer = probes.netns() ?? probeBpf();
    return answer === undefined || typeof answer === 'string' ? answer : answer.detail;
  },
  // The instructions that are compared are those of one compiler: Debian 12's.
  clang: () => commandMissing('clang-14') ?? commandMissing('llvm-strip'),
  ipv6: () => {
    try {
      accessSync('/proc/net/if_inet6', constants.R_OK);
      return undefined;
    } catch {
      return 'the machine has no IPv6';
    }
  },
};

function noTun(): string | undefined {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return '/dev/net/tun cannot be opened';
  }
}

function commandMissing(command: string): string | undefined {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${command} is not installed`;
  }
}
