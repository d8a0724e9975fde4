import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { Core } from './core.ts';
import { Rate } from './rate.ts';
import type { RegisteredKey } from './registry.ts';

/** Goes on with a message once its recipient is known. `packet` is the one to go on with. */
export type Found = (core: Core, key: RegisteredKey, packet: Uint8Array, now: Millis) => void;

interface Search {
  readonly from: Endpoint;
  readonly packet: Uint8Array;
  readonly found: Found;
  next: number;
}

/**
 * Finds whom a message is for among all registered keys, a hash each. What the source's last messages were for is tried at once. Everything
 * else waits in a short queue and is searched in slices, so that ten thousand keys and a flood of garbage neither stop other packets nor
 * take more than a share of the processor.
 */
export class Searches {
  readonly #rate: Rate;
  readonly #queue: Search[] = [];
  /** What names a receiver that waits for it: no garbage, so it neither waits behind any nor is charged to its source. */
  readonly #answers: Search[] = [];

  constructor(hashesPerSecond: number) {
    this.#rate = new Rate(hashesPerSecond, BURST);
  }

  get waiting(): number {
    return this.#queue.length + this.#answers.length;
  }

  begin(core: Core, from: Endpoint, packet: Uint8Array, found: Found, now: Millis): undefined {
    if (this.#queue.length >= QUEUE || !core.searchBudget.take(from, 1, now)) return core.drop('search-over-budget');
    this.#queue.push({ from, packet: packet.slice(), found, next: 0 });
    this.run(core, now);
  }

  /** For a response to an initiation that its source was sent. */
  beginAnswer(core: Core, from: Endpoint, packet: Uint8Array, found: Found, now: Millis): undefined {
    if (this.#answers.length >= QUEUE) return core.drop('search-over-budget');
    this.#answers.push({ from, packet: packet.slice(), found, next: 0 });
    this.run(core, now);
  }

  /** One slice, as far as the share of the processor goes. */
  run(core: Core, now: Millis): void {
    const { keys } = core.registry;
    let hashes = Math.min(SLICE, this.#rate.available(now));
    while (hashes >= 1) {
      const queue = this.#answers.length > 0 ? this.#answers : this.#queue;
      const search = queue[0];
      if (search === undefined) return;
      const key = keys[search.next++];
      if (key === undefined) {
        queue.shift();
        core.drop('unregistered-peer');
        continue;
      }
      hashes--;
      this.#rate.spend(1);
      if (!core.registry.isFor(search.packet, key)) continue;
      queue.shift();
      core.registry.remember(search.from, key);
      search.found(core, key, search.packet, now);
    }
  }

  /** When there is something to go on with: at once while there are tokens. */
  next(now: Millis): Millis | undefined {
    if (this.waiting === 0) return undefined;
    return this.#rate.isReady ? now : this.#rate.readyAt(SLICE, now);
  }
}

/** Messages that wait. */
const QUEUE = 256;
/** Hashes at a time: less than a millisecond. */
const SLICE = 100;
/** What may be saved up. */
const BURST: Millis = 200;
