import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { replaceFile } from '../control/state/replace-file.ts';
import type { KernelRecord } from '../engine/xdp/data-plane.ts';
import { hasPins, removePins } from '../engine/xdp/pins.ts';

/**
 * What the xdp engine has changed outside the process, so that another one can put it back: the name of its pins, and the settings that it
 * switched on in its network namespace. One file in the state folder for each namespace, `kernel-<name of the pins>.json`.
 */
export class KernelTraces implements KernelRecord {
  /** Of the pins: one relay to a state folder and a network namespace. Another one must not take over what this one left. */
  readonly instance: string;
  readonly #state: string;
  readonly #namespace: number;
  /** What cannot be written down is known for as long as this process runs. */
  #switchedOn: ReadonlySet<string>;

  constructor(state: string) {
    this.#state = state;
    this.#namespace = networkNamespace();
    this.instance = createHash('sha256')
      .update(`${resolve(state)} ${this.#namespace}`)
      .digest('hex')
      .slice(0, 12);
    this.#switchedOn = new Set(readRecord(this.#file(this.instance))?.switchedOn);
  }

  /** Whether a relay of this folder and namespace has left something in the kernel, or runs. */
  get present(): boolean {
    return hasPins(this.instance);
  }

  /** Pins are there from now on. */
  begin(): void {
    this.#write();
  }

  switchedOn(path: string): void {
    this.#switchedOn = new Set([...this.#switchedOn, path]);
    this.#write();
  }

  /** Returns the settings that are off again. */
  putBack(): string[] {
    const restored = [...this.#switchedOn].filter(switchOff);
    this.#switchedOn = new Set();
    rmSync(this.#file(this.instance), { force: true });
    return restored;
  }

  /**
   * Programs, maps and settings of engines that no longer run. Settings of a namespace that we are not in are left to it: it has ended, or
   * whoever is in it can do the same. Returns what went.
   */
  remove(): string[] {
    const files = this.#files();
    const names = files.map((name) => RECORD_FILE.exec(name)?.[1] ?? this.instance);
    const pins = [...new Set([...names, this.instance])].flatMap(removePins);
    const settings = this.putBack();
    const paths = files.map((name) => join(this.#state, name));
    for (const path of paths) rmSync(path, { force: true });
    return [...pins, ...settings, ...paths];
  }

  #file(instance: string): string {
    return join(this.#state, `kernel-${instance}.json`);
  }

  #files(): string[] {
    try {
      return readdirSync(this.#state).filter((name) => RECORD_FILE.test(name));
    } catch {
      return [];
    }
  }

  #write(): void {
    const record = { namespace: this.#namespace, switchedOn: [...this.#switchedOn] };
    try {
      replaceFile(this.#file(this.instance), `${JSON.stringify(record)}\n`, 0o600);
    } catch {
      // A state folder that cannot be written to is reported by whoever needs it.
    }
  }
}

const RECORD_FILE = /^kernel-([0-9a-f]{12})\.json$/;

/** `namespace`: for people. */
const RECORD = v.object({
  namespace: v.number(),
  switchedOn: v.array(v.pipe(v.string(), v.regex(/^\/proc\/sys\/net\/ipv[46]\/conf\/lo\/forwarding$/))),
});

/** Undefined for one that is not there or that we did not write. */
function readRecord(file: string): v.InferOutput<typeof RECORD> | undefined {
  try {
    const result = v.safeParse(RECORD, JSON.parse(readFileSync(file, 'utf8')));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

function switchOff(path: string): boolean {
  try {
    writeFileSync(path, '0');
    return true;
  } catch {
    return false;
  }
}

/** 0 where there is no such thing, and no xdp engine either. */
function networkNamespace(): number {
  try {
    return statSync('/proc/self/ns/net').ino;
  } catch {
    return 0;
  }
}
