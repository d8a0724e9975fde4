import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';

/** The bpf file system in sight; none is mounted. */
export function bpfFileSystem(): string | undefined {
  return ['', ...elders().map((pid) => `/proc/${pid}/root`)].map((view) => `${view}${MOUNT_POINT}`).find(isBpf);
}

/**
 * Where nobody mounted one, as systemd does at boot, it is done as bpftool and ip would, but where others see it: what is mounted in our own
 * view may end with us.
 */
export function mountBpfFileSystem(): string | undefined {
  const views = elders().map((pid) => ['nsenter', '--target', `${pid}`, '--mount', ...MOUNT]);
  for (const [program = '', ...words] of [...views, MOUNT]) {
    try {
      execFileSync(program, words, { stdio: 'ignore' });
      const path = bpfFileSystem();
      if (path !== undefined) return path;
    } catch {
      // The next one may be looked at.
    }
  }
  return undefined;
}

/**
 * "ip netns exec" hides /sys behind one of its own, that ends with the process. The first process still sees the machine's; so do those who
 * started us, where the first is out of reach, as in some containers. The eldest is there for the longest.
 */
function elders(): readonly number[] {
  const line: number[] = [];
  for (let pid = process.ppid; pid > 1; pid = parentOf(pid)) line.unshift(pid);
  return [1, ...line];
}

/** 0 for one that is gone. */
function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function isBpf(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
}

const MOUNT_POINT = '/sys/fs/bpf';
const MOUNT: readonly string[] = ['mount', '-t', 'bpf', 'bpf', MOUNT_POINT];
const BPF_FS_MAGIC = 0xcafe4a11;
