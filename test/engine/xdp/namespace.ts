import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { checked } from '../../../src/sys/errno.ts';
import { loadLibrary } from '../../../src/sys/ffi.ts';

/**
 * A network namespace for this process alone: its thread enters it, and so does what it starts or binds from then on. BPF_PROG_TEST_RUN
 * looks routes up in the namespace of its caller. To be called once, first; it ends with the process.
 */
export function enterNamespace(): void {
  const name = `culvert-bpf-${process.pid}`;
  ip('netns', 'add', name);
  const fd = openSync(`/run/netns/${name}`, 'r');
  try {
    const libc = loadLibrary<{ setns(fd: number, type: number): number }>([null], {
      setns: 'int setns(int fd, int type)',
    });
    if (!libc.ok) throw new Error(libc.detail);
    checked('setns', libc.functions.setns(fd, CLONE_NEWNET));
  } finally {
    closeSync(fd);
    // Whoever is in it keeps it; its name is not needed.
    ip('netns', 'delete', name);
  }
  ip('link', 'set', 'lo', 'up');
}

/** "ip" with these arguments, here; throws what it says when it fails. */
export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

const CLONE_NEWNET = 0x40000000;
