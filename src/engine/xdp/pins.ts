import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pin, XdpLink } from '../../sys/libbpf/link.ts';
import { bpfFileSystem, mountBpfFileSystem } from './bpf-file-system.ts';

/**
 * Where what outlives the process is kept: links, and the maps that their program reads. Maps of another layout cannot be read; a link can be
 * given another program, whatever it had.
 *
 *    /sys/fs/bpf/culvert/<instance>/<layout of the maps>/{flows4, ports, ..., link-native-eth0}
 */
export class Pins {
  readonly #folder: string;
  readonly #instance: string;

  private constructor(instance: string, layout: string) {
    this.#instance = instance;
    this.#folder = join(instance, layout);
  }

  /** Undefined when this machine has no bpf file system in sight. */
  static open(instance: string, layout: string): Pins | undefined {
    const root = bpfFileSystem() ?? mountBpfFileSystem();
    if (root === undefined) return undefined;
    const pins = new Pins(join(root, FOLDER, instance), layout);
    try {
      pins.#make();
      return pins;
    } catch {
      return undefined;
    }
  }

  /** The path of a pin, whether it is there or not. */
  of(name: string): string {
    return join(this.#folder, name);
  }

  has(name: string): boolean {
    return existsSync(this.of(name));
  }

  /** Whether a program is attached that reads the maps here. */
  get live(): boolean {
    return existsSync(this.#folder) && readdirSync(this.#folder).some(isLink);
  }

  /** Pins of links, whatever the layout that their program knows. */
  links(): string[] {
    return foldersOf(this.#instance).flatMap((folder) =>
      readdirSync(folder)
        .filter(isLink)
        .map((name) => join(folder, name)),
    );
  }

  /** Unless something is pinned there. */
  add(name: string, fd: number): void {
    if (this.has(name)) return;
    this.#make();
    pin(fd, this.of(name));
  }

  /** At no moment is nothing pinned there. */
  replace(name: string, fd: number): void {
    this.remove(UNDER_WAY);
    this.add(UNDER_WAY, fd);
    renameSync(this.of(UNDER_WAY), this.of(name));
  }

  remove(name: string): void {
    rmSync(this.of(name), { force: true });
  }

  removeMaps(): void {
    for (const name of readdirSync(this.#folder)) if (!isLink(name)) rmSync(this.of(name));
  }

  /** Pins of other layouts, and links but these. Returns which layouts. */
  removeOthers(links: ReadonlySet<string>): string[] {
    for (const path of this.links()) if (!links.has(path)) removeLink(path);
    const others = foldersOf(this.#instance).filter((folder) => folder !== this.#folder);
    for (const folder of others) removeFolder(folder);
    return others.map((folder) => folder.slice(this.#instance.length + 1));
  }

  /** Of this layout. */
  removeAll(): void {
    removeFolder(this.#folder);
    removeEmpty(this.#instance);
  }

  #make(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }
}

/** Whether an instance has anything pinned. */
export function hasPins(instance: string): boolean {
  const root = bpfFileSystem();
  return root !== undefined && existsSync(join(root, FOLDER, instance));
}

/** Everything that an instance has pinned, with which its programs go. Returns the paths. */
export function removePins(instance: string): string[] {
  const root = bpfFileSystem();
  if (root === undefined) return [];
  const path = join(root, FOLDER, instance);
  const folders = foldersOf(path);
  const pins = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  for (const pin of pins) if (isLink(basename(pin))) removeLink(pin);
  for (const folder of folders) removeFolder(folder);
  removeEmpty(path);
  return pins;
}

const FOLDER = 'culvert';
const UNDER_WAY = 'under-way';

function isLink(name: string): boolean {
  return name.startsWith('link-');
}

/** By layout. */
function foldersOf(instance: string): string[] {
  if (!existsSync(instance)) return [];
  return readdirSync(instance).map((name) => join(instance, name));
}

/** At once: the last pin of a link takes its time to be the end of it. */
function removeLink(path: string): void {
  try {
    XdpLink.pinned(path).detach();
  } catch {
    // Who may not, or cannot, leaves that to the kernel.
  }
  rmSync(path, { force: true });
}

/** A bpf file system knows folders and pins, nothing else. */
function removeFolder(path: string): void {
  if (!existsSync(path)) return;
  for (const name of readdirSync(path)) rmSync(join(path, name));
  rmdirSync(path);
}

/** The folder of an instance, and the one of all, once nothing is left in them. */
function removeEmpty(instance: string): void {
  for (const path of [instance, dirname(instance)]) {
    if (existsSync(path) && readdirSync(path).length === 0) rmdirSync(path);
  }
}
