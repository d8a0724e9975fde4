import { closeSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openPinned } from '../../sys/libbpf/link.ts';
import { BpfObject } from '../../sys/libbpf/object.ts';
import type { BpfProgram } from '../../sys/libbpf/program.ts';
import { MAP_NAMES, PROGRAM } from './kernel-maps.ts';
import { LAYOUT } from './layout.ts';
import { Pins } from './pins.ts';

export interface LoadOptions {
  /** Of the pins: what belongs to one running relay. Undefined: nothing outlives the process. */
  readonly instance?: string | undefined;
  /** Flows of each family; their receivers come beside it. Default 1,048,576. */
  readonly mostFlows?: number | undefined;
  readonly log: (message: string) => void;
}

/** Undefined: nothing outlives the process, because it need not or because it cannot, which is logged. */
export function openPins({ instance, log }: LoadOptions): Pins | undefined {
  if (instance === undefined) return undefined;
  const pins = Pins.open(instance, LAYOUT);
  if (pins === undefined) {
    log(
      'no bpf file system at /sys/fs/bpf, and none can be mounted: the kernel forwards no longer than this process runs (culvert doctor says how to mend it)',
    );
  }
  return pins;
}

export interface LoadedObject {
  readonly object: BpfObject;
  readonly program: BpfProgram;
  readonly adopted: boolean;
}

/** Throws BpfLoadError. With the maps that are pinned, if a program that is attached reads them; those of a start that was broken off hold nothing. */
export function load(pins: Pins | undefined, { mostFlows, log }: Partial<LoadOptions>): LoadedObject {
  if (pins?.live === true) {
    try {
      return loadWith(pins, mostFlows);
    } catch (error) {
      log?.(`the maps that an earlier process left are of no use, new ones take their place: ${String(error)}`);
    }
  }
  pins?.removeMaps();
  return loadWith(undefined, mostFlows);
}

function loadWith(pins: Pins | undefined, mostFlows = MOST_FLOWS): LoadedObject {
  const object = BpfObject.open(readFileSync(OBJECT));
  try {
    for (const name of MAP_NAMES) {
      if (pins !== undefined) {
        const fd = openPinned(pins.of(name));
        object.adopt(name, fd);
        closeSync(fd);
      } else if (name in SHARES) {
        object.resize(name, Math.max(1, Math.ceil(mostFlows * (SHARES[name] ?? 1))));
      }
    }
    return { object, program: object.load(PROGRAM), adopted: pins !== undefined };
  } catch (error) {
    object.close();
    throw error;
  }
}

export function pinMaps(object: BpfObject, pins: Pins): void {
  for (const name of MAP_NAMES) pins.add(name, object.map(name).fd);
}

const OBJECT: string = fileURLToPath(new URL('../../../bpf/relay.bpf.o', import.meta.url));
const MOST_FLOWS = 1 << 20;
/** Of the number of flows. An IPv4 one may be in each. */
const SHARES: Readonly<Record<string, number>> = {
  flows4: 1,
  flows6: 1,
  receivers4: 0.25,
  receivers6: 0.25,
  buckets: 1,
};
