import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, statfsSync } from 'node:fs';

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
 * started us, where the first is out of reach, as in some containers. The eldest is there for the longest. Only root's are looked at: what others
 * show us under a familiar name is their own, programs included.
 */
function elders(): readonly number[] {
  const line: number[] = [];
  for (let pid = process.ppid; pid > 1; pid = parentOf(pid)) line.unshift(pid);
  return [1, ...line].filter(isRoots);
}

/** 0 for one that is gone. */
function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(statusOf(pid))?.[1] ?? 0);
}

/** By all four of its ids, and not by root's name in a user namespace of somebody's own. */
function isRoots(pid: number): boolean {
  try {
    const sameUsers = readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync('/proc/self/ns/user');
    return sameUsers && /^Uid:(\s+0){4}$/m.test(statusOf(pid));
  } catch {
    return false;
  }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
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
