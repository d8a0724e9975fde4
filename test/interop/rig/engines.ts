import { rmSync } from 'node:fs';
import { describe } from 'node:test';
import { LOOPBACK, type Network } from '../../engine/conformance/rig.ts';
import { mountOwnBpf } from '../../engine/xdp/namespace.ts';
import { TwoSides } from '../../engine/xdp/two-sides.ts';
import { missing, type Requirement } from '../../requirements.ts';

/** What every service is tried on with its real clients. */
export const ENGINES = ['portable', 'batched', 'xdp'] as const;
export type EngineName = (typeof ENGINES)[number];

export function missingFor(engine: EngineName, ...others: Requirement[]): string | false {
  const own: Record<EngineName, Requirement[]> = { portable: [], batched: ['ffi'], xdp: ['bpf', 'ffi'] };
  return missing(...own[engine], ...others);
}

export interface EachOptions {
  readonly needs?: readonly Requirement[];
  /** How many tests of one engine run at a time. With xdp only one relay may have the interface, so more than 1 where they share one. */
  readonly concurrency?: number;
  /** The engines beside each other; for tests that mostly wait. */
  readonly together?: boolean;
}

/** The same tests for each engine. All is decided before the first of them runs, so that none begins in another network than it ends in. */
export function onEachEngine(what: string, options: EachOptions, tests: (engine: EngineName) => void): void {
  const { needs = [], concurrency = 1, together = false } = options;
  describe(what, { concurrency: together }, () => {
    for (const engine of ENGINES) {
      describe(engine, { skip: missingFor(engine, ...needs), concurrency }, () => {
        networkFor(engine);
        tests(engine);
      });
    }
  });
}

/** Where the relay and its clients are: the kernel's program has no part in what goes over loopback. */
export function networkFor(engine: EngineName): Network {
  if (engine !== 'xdp') return LOOPBACK;
  useOwnBpf();
  return (sides ??= twoSides());
}

/** What relays of an engine have left in the kernel, once they have ended: another one may have the interface. The other engines leave nothing. */
export function removePins(engine: EngineName): void {
  if (engine === 'xdp') rmSync('/sys/fs/bpf/culvert', { recursive: true, force: true });
}

/** For relays of this process: what they pin goes with it, however it ends. */
export function useOwnBpf(): void {
  if (!ownBpf) mountOwnBpf();
  ownBpf = true;
}

/** The rest of this process is on the side of the relay, with a loopback of its own. */
function twoSides(): TwoSides {
  const made = new TwoSides();
  made.setPeerGro(true);
  made.setPeerChecksums(false);
  return made;
}

let ownBpf = false;
let sides: TwoSides | undefined;
