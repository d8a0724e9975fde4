import { errnoName } from './errno.ts';
import type { Fd } from './fd.ts';
import { errno } from './ffi.ts';
import { libc, loadLibc, sendmmsg } from './libc.ts';
import { SubmissionRing } from './submission-ring.ts';
import { allowFragments, openUdp, SOL_UDP, trySetOption, UDP_GRO, UDP_SEGMENT } from './udp-socket.ts';

/** What the kernel may or may not do for us. Each is tried once, and the answer kept. */
export type FeatureName = 'dont-fragment' | 'io-uring' | 'recvmmsg' | 'sendmmsg' | 'udp-gro' | 'udp-segment';

export type Feature =
  | { readonly supported: true }
  /** `needs`: the kernel that has it; newer ones lack it only where a sandbox forbids the call. */
  | { readonly supported: false; readonly needs: string; readonly detail: string };

/** Without libc no feature is supported. */
export function feature(name: FeatureName): Feature {
  let answer = answers.get(name);
  if (answer === undefined) {
    answer = probe(name);
    answers.set(name, answer);
  }
  return answer;
}

function probe(name: FeatureName): Feature {
  const { needs, attempt } = probes[name];
  const library = loadLibc();
  if (!library.ok) return { supported: false, needs, detail: library.detail };
  try {
    const failure = attempt();
    return failure === undefined ? { supported: true } : { supported: false, needs, detail: failure };
  } catch (error) {
    return { supported: false, needs, detail: error instanceof Error ? error.message : String(error) };
  }
}

/** Each attempt says what went wrong, or nothing. */
const probes: Readonly<Record<FeatureName, { readonly needs: string; readonly attempt: () => string | undefined }>> = {
  recvmmsg: {
    needs: 'Linux 2.6.33',
    attempt: () => withSocket((fd) => (libc().recvmmsg(fd.number, 0, 0, 0, 0) < 0 ? errnoName(errno()) : undefined)),
  },
  sendmmsg: {
    needs: 'Linux 3.0',
    attempt: () =>
      withSocket((fd) => {
        const sent = sendmmsg(libc(), fd.number, 0, 0, 0);
        return sent < 0 ? errnoName(-sent) : undefined;
      }),
  },
  'dont-fragment': {
    needs: 'Linux 2.6.22',
    attempt: () => withSocket((fd) => (allowFragments(fd, 4, false) ? undefined : errnoName(errno()))),
  },
  'io-uring': {
    needs: 'Linux 5.4',
    attempt: () => {
      new SubmissionRing(2).close();
      return undefined;
    },
  },
  'udp-gro': { needs: 'Linux 5.0', attempt: () => tryUdpOption(UDP_GRO, 1) },
  'udp-segment': { needs: 'Linux 4.18', attempt: () => tryUdpOption(UDP_SEGMENT, 1200) },
};

function tryUdpOption(name: number, value: number): string | undefined {
  return withSocket((fd) => (trySetOption(fd, SOL_UDP, name, value) ? undefined : errnoName(errno())));
}

function withSocket(attempt: (fd: Fd) => string | undefined): string | undefined {
  const fd = openUdp(4);
  try {
    return attempt(fd);
  } finally {
    fd.close();
  }
}

const answers = new Map<FeatureName, Feature>();
