import type { Millis } from '../../net/time.ts';
import type { BpfMap } from '../../sys/libbpf/map.ts';
import { type Neighbour, useNeighbours } from '../../sys/neighbours.ts';
import { NEIGHBOUR_OFFSETS } from './layout.ts';

/**
 * The next hops that flows in the kernel leave by. The kernel does not know that a program uses them: an entry would grow stale, be believed
 * for ever although the neighbour has another hardware address by now, and be thrown away in time. So it is told.
 */
export class Neighbours {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** `now`: milliseconds of CLOCK_MONOTONIC. */
  refresh(now: Millis): void {
    const used: Neighbour[] = [];
    const forgotten: Buffer[] = [];
    for (const { keys, values, count } of this.#map.batches()) {
      for (let index = 0; index < count; index++) {
        const key = keys.subarray(index * this.#map.keyBytes, (index + 1) * this.#map.keyBytes);
        const idle = now - Number(values.readBigUInt64LE(index * 8) / NS_PER_MS);
        if (idle < USED_WITHIN) used.push(neighbourOf(key));
        else forgotten.push(Buffer.from(key));
      }
    }
    for (const key of forgotten) this.#map.delete(key);
    useNeighbours(used);
  }
}

function neighbourOf(key: Buffer): Neighbour {
  const { ifindex, family, address } = NEIGHBOUR_OFFSETS;
  const v4 = key.readUInt32LE(family) === 4;
  return {
    ifindex: key.readUInt32LE(ifindex),
    family: v4 ? 4 : 6,
    address: Buffer.from(key.subarray(address, address + (v4 ? 4 : 16))),
  };
}

/** Flows look their next hop up once a second. */
const USED_WITHIN: Millis = 10_000;
const NS_PER_MS = 1_000_000n;
