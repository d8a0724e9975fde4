import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { checked } from '../../../src/sys/errno.ts';
import { loadLibrary } from '../../../src/sys/ffi.ts';

/**
 * A network namespace for this process alone: its thread enters it, and so does what it starts or binds from then on. BPF_PROG_TEST_RUN
 * looks routes up in the namespace of its caller. To be called once, first; it ends with the process.
 */
export function enterNamespace(): void {
  setns(makeNamespace('here'));
  ip('link', 'set', 'lo', 'up');
}

/** A second one, to be visited from the first. */
export class OtherSide {
  readonly #here: number;
  readonly #there: number;

  constructor() {
    this.#here = openSync('/proc/thread-self/ns/net', 'r');
    this.#there = makeNamespace('there');
    this.visit(() => ip('link', 'set', 'lo', 'up'));
  }

  /** What `act` binds or starts before it returns is over there. */
  visit<T>(act: () => T): T {
    setns(this.#there);
    try {
      return act();
    } finally {
      setns(this.#here);
    }
  }

  /** For nsenter. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#there}`;
  }

  /** A new veth: `here` in this namespace, `there` in the other. */
  connect(here: string, there: string): void {
    ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', this.path);
    ip('link', 'set', here, 'up');
    this.visit(() => ip('link', 'set', there, 'up'));
  }

  close(): void {
    closeSync(this.#here);
    closeSync(this.#there);
  }
}

/** A bpf file system that only this thread, and what it starts, sees. */
export function mountOwnBpf(): void {
  const libc = loadLibrary<{ unshare(flags: number): number }>([null], { unshare: 'int unshare(int flags)' });
  if (!libc.ok) throw new Error(libc.detail);
  checked('unshare', libc.functions.unshare(CLONE_NEWNS));
  execFileSync('mount', ['--make-rprivate', '/']);
  execFileSync('mount', ['-t', 'bpf', 'bpf', '/sys/fs/bpf']);
}

/** "ip" with these arguments, in the namespace of now; throws what it says when it fails. */
export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** A descriptor of it: whoever is in it or holds that keeps it, so its name can go at once. */
function makeNamespace(what: string): number {
  const name = `culvert-${what}-${process.pid}`;
  ip('netns', 'add', name);
  try {
    return openSync(`/run/netns/${name}`, 'r');
  } finally {
    ip('netns', 'delete', name);
  }
}

function setns(fd: number): void {
  const libc = loadLibrary<{ setns(fd: number, type: number): number }>([null], {
    setns: 'int setns(int fd, int type)',
  });
  if (!libc.ok) throw new Error(libc.detail);
  checked('setns', libc.functions.setns(fd, CLONE_NEWNET));
}

const CLONE_NEWNET = 0x40000000;
const CLONE_NEWNS = 0x00020000;
