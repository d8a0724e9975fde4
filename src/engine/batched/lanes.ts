import { SystemError } from '../../sys/errno.ts';
import type { TrafficCount } from '../engine.ts';
import type { DropOwner } from '../portable/drop-counts.ts';
import { mergeTraffic } from '../portable/traffic.ts';
import { Lane, type LaneParts } from './lane.ts';

/** The workers. Each is started by the first socket that it gets: a relay without clients has one. */
export class Lanes {
  readonly #most: number;
  readonly #parts: LaneParts;
  readonly #lanes: Lane[] = [];
  #turn = 0;

  constructor(most: number, parts: LaneParts) {
    this.#most = most;
    this.#parts = parts;
  }

  /**
   * All listeners have one worker. SO_REUSEPORT could spread the clients of one over several, but whoever else binds the port would not be told any
   * more that it is in use, and the marks of a flow (see layout.ts) are of one worker.
   */
  forListener(): Lane {
    return this.#lane(0);
  }

  /** Ports take the others in turns, where there are others. */
  forPort(): Lane {
    this.#turn = (this.#turn % Math.max(1, this.#most - 1)) + 1;
    try {
      return this.#lane(this.#turn % this.#most);
    } catch (error) {
      // One more worker cannot be had: the first one takes its ports too.
      if (error instanceof SystemError && this.#lanes.length > 0) return this.#lane(0);
      throw error;
    }
  }

  traffic(): TrafficCount[] {
    const sums = this.#lanes.reduce<TrafficCount[]>((sum, { counts }) => mergeTraffic(sum, counts.traffic()), []);
    return sums.filter(({ packets }) => packets > 0);
  }

  /** `drops`, and what the workers dropped. */
  addDrops(
    drops: ReadonlyMap<DropOwner, ReadonlyMap<string, number>>,
  ): ReadonlyMap<DropOwner, ReadonlyMap<string, number>> {
    const sums = new Map([...drops].map(([owner, reasons]) => [owner, new Map(reasons)]));
    for (const { counts } of this.#lanes) {
      counts.eachDrop((owner, reason, packets) => {
        const reasons = sums.get(owner) ?? new Map<string, number>();
        sums.set(owner, reasons.set(reason, (reasons.get(reason) ?? 0) + packets));
      });
    }
    return sums;
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #lane(n: number): Lane {
    // Lane 0 is there before lane 1 is, and so on: ports may come before a listener does.
    while (this.#lanes.length <= n) this.#lanes.push(new Lane(this.#parts));
    const lane = this.#lanes[n];
    if (lane === undefined) throw new Error(`no lane ${n}`);
    return lane;
  }
}
