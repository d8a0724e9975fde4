import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A network namespace and what runs in it. */
export interface Namespace {
  /** What to start for this command to run here. Not by "ip netns exec": it mounts file systems, which takes seconds when many do. */
  inside(...command: string[]): readonly [command: string, args: readonly string[]];
  run(...command: string[]): Promise<string>;
}

/** Namespaces that go together. */
export class Namespaces {
  readonly #name: string;
  readonly #made: string[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  nameOf(short: string): string {
    return `${this.#name}-${short}`;
  }

  /** With its loopback up. */
  async add(short: string): Promise<Namespace> {
    const namespace = this.nameOf(short);
    await execute('ip', ['netns', 'add', namespace]);
    this.#made.push(namespace);
    const inside = (...command: string[]) => ['nsenter', [`--net=/run/netns/${namespace}`, ...command]] as const;
    const run = (...command: string[]) => execute(...inside(...command));
    await run('ip', 'link', 'set', 'lo', 'up');
    return { inside, run };
  }

  /** The last one first. */
  async removeAll(): Promise<void> {
    for (const namespace of this.#made.splice(0).reverse()) await execute('ip', ['netns', 'delete', namespace]);
  }
}

/** Not synchronously: tests that run side by side measure time. */
async function execute(command: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, args)).stdout.trim();
}
