import type { Direction, ServiceName } from '../../flow/flow.ts';
import type { TrafficCount } from '../engine.ts';

/** Bytes that joined streams moved. */
export class StreamTraffic {
  readonly #counts: { service: ServiceName; direction: Direction; packets: 0; bytes: number }[] = [];

  /** The count of one service and direction, for whoever moves bytes to add to. */
  of(service: ServiceName, direction: Direction): { bytes: number } {
    let count = this.#counts.find((one) => one.service === service && one.direction === direction);
    if (count === undefined) {
      count = { service, direction, packets: 0, bytes: 0 };
      this.#counts.push(count);
    }
    return count;
  }

  read(): TrafficCount[] {
    return this.#counts.map((count) => ({ ...count }));
  }
}

/** One entry for each service and direction, as a metric wants it. */
export function mergeTraffic(some: readonly TrafficCount[], others: readonly TrafficCount[]): TrafficCount[] {
  const merged = some.map((count) => ({ ...count }));
  for (const count of others) {
    const same = merged.find(({ service, direction }) => service === count.service && direction === count.direction);
    if (same === undefined) merged.push({ ...count });
    else {
      same.packets += count.packets;
      same.bytes += count.bytes;
    }
  }
  return merged;
}
