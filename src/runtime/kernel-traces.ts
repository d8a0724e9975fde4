import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { replaceFile } from '../control/state/replace-file.ts';
import type { KernelRecord } from '../engine/xdp/data-plane.ts';
import { removePins } from '../engine/xdp/pins.ts';

/** Name of the record in the state folder. */
const KERNEL_FILE = 'kernel.json';

/**
 * What the xdp engine has changed outside the process, so that another one can put it back: the name of its pins, and the settings that it
 * switched on in its network namespace.
 */
export class KernelTraces implements KernelRecord {
  /** Of the pins: one relay to a state folder and a network namespace. Another one must not take over what this one left. */
  readonly instance: string;
  readonly #file: string;
  readonly #namespace: number;
  /** What cannot be written down is known for as long as this process runs. */
  #switchedOn: ReadonlySet<string>;

  constructor(state: string) {
    this.#file = join(state, KERNEL_FILE);
    this.#namespace = networkNamespace();
    this.instance = createHash('sha256')
      .update(`${resolve(state)} ${this.#namespace}`)
      .digest('hex')
      .slice(0, 12);
    const found = readRecord(this.#file);
    this.#switchedOn = new Set(found?.namespace === this.#namespace ? found.switchedOn : []);
  }

  /** Pins may be there from now on. */
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
    rmSync(this.#file, { force: true });
    return restored;
  }

  /** Programs, maps and settings, of an engine that no longer runs. Those of a namespace that we are not in end with that. Returns what went. */
  remove(): string[] {
    const found = readRecord(this.#file)?.instance;
    const instances = new Set(found === undefined ? [this.instance] : [this.instance, found]);
    const pins = [...instances].flatMap(removePins);
    const file = existsSync(this.#file) ? [this.#file] : [];
    return [...pins, ...this.putBack(), ...file];
  }

  #write(): void {
    const record = { instance: this.instance, namespace: this.#namespace, switchedOn: [...this.#switchedOn] };
    try {
      replaceFile(this.#file, `${JSON.stringify(record)}\n`, 0o600);
    } catch {
      // A state folder that cannot be written to is reported by whoever needs it.
    }
  }
}

const RECORD = v.object({
  instance: v.pipe(v.string(), v.regex(/^[0-9a-f]{12}$/)),
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
