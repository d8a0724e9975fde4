import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where what outlives the process is kept: links, and the maps that their program reads.
 *
 *    /sys/fs/bpf/culvert/<instance>/<version of the object>/{flows4, ports, ..., link-native-eth0}
 */
export class Pins {
  readonly path: string;
  readonly #instance: string;

  private constructor(instance: string, version: string) {
    this.#instance = instance;
    this.path = join(instance, version);
  }

  /** Undefined when this machine has no bpf file system in sight. `stale`: versions of the object whose pins were in the way. */
  static open(
    instance: string,
    version: string,
  ): { readonly pins: Pins; readonly stale: readonly string[] } | undefined {
    const root = bpfFileSystem() ?? mounted();
    if (root === undefined) return undefined;
    const pins = new Pins(join(root, 'culvert', instance), version);
    try {
      const stale = pins.#removeOthers(version);
      mkdirSync(pins.path, { recursive: true, mode: 0o700 });
      return { pins, stale };
    } catch {
      return undefined;
    }
  }

  /** The path of a pin, whether it is there or not. */
  of(name: string): string {
    return join(this.path, name);
  }

  has(name: string): boolean {
    return existsSync(this.of(name));
  }

  names(): string[] {
    return readdirSync(this.path);
  }

  remove(name: string): void {
    rmSync(this.of(name), { force: true });
  }

  removeAll(): void {
    removeFolder(this.path);
    if (readdirSync(this.#instance).length === 0) rmdirSync(this.#instance);
  }

  #removeOthers(version: string): string[] {
    if (!existsSync(this.#instance)) return [];
    const others = readdirSync(this.#instance).filter((name) => name !== version);
    for (const name of others) removeFolder(join(this.#instance, name));
    return others;
  }
}

/** The bpf file system in sight; none is mounted. */
export function bpfFileSystem(): string | undefined {
  return FOLDERS.find(isBpfFileSystem);
}

/** "ip netns exec" hides /sys behind one of its own, that ends with the process; the first process still sees the machine's. */
const FOLDERS: readonly string[] = ['/sys/fs/bpf', '/proc/1/root/sys/fs/bpf'];

/**
 * Where nobody mounted one, as systemd does at boot, it is done as bpftool and ip would, but where the first process sees it: what is mounted
 * in our own view may end with us.
 */
function mounted(): string | undefined {
  try {
    execFileSync('nsenter', ['--target', '1', '--mount', 'mount', '-t', 'bpf', 'bpf', '/sys/fs/bpf'], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  return bpfFileSystem();
}

function isBpfFileSystem(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
}

/** A bpf file system knows folders and pins, nothing else. */
function removeFolder(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name));
  rmdirSync(path);
}

const BPF_FS_MAGIC = 0xcafe4a11;
