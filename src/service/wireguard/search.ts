import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { SECOND } from '../../net/time.ts';
import { hasMac1 } from '../../wire/wireguard/mac.ts';
import type { Core } from './core.ts';
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
  readonly #hashesPerMilli: number;
  readonly #queue: Search[] = [];
  #tokens = 0;
  #filledAt: Millis | undefined = undefined;

  constructor(hashesPerSecond: number) {
    this.#hashesPerMilli = hashesPerSecond / SECOND;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** `packet` must stay valid. */
  begin(core: Core, from: Endpoint, packet: Uint8Array, found: Found, now: Millis): undefined {
    if (this.#queue.length >= QUEUE || !core.searchBudget.take(from, 1, now)) return core.drop('search-over-budget');
    this.#queue.push({ from, packet: packet.slice(), found, next: 0 });
    this.run(core, now);
  }

  /** One slice, as far as the share of the processor goes. */
  run(core: Core, now: Millis): void {
    const { keys } = core.registry;
    let hashes = Math.min(SLICE, this.#refill(now));
    while (hashes >= 1) {
      const search = this.#queue[0];
      if (search === undefined) return;
      const key = keys[search.next++];
      if (key === undefined) {
        this.#queue.shift();
        core.drop('unregistered-peer');
        continue;
      }
      hashes--;
      this.#tokens--;
      if (!hasMac1(search.packet, key.mac1Key)) continue;
      this.#queue.shift();
      core.registry.remember(search.from, key);
      search.found(core, key, search.packet, now);
    }
  }

  /** When there is something to go on with: at once while there are tokens. */
  next(now: Millis): Millis | undefined {
    if (this.#queue.length === 0) return undefined;
    return this.#tokens >= 1
      ? now
      : now + Math.ceil((Math.min(SLICE, this.#burst) - this.#tokens) / this.#hashesPerMilli);
  }

  get #burst(): number {
    return Math.max(1, this.#hashesPerMilli * BURST);
  }

  #refill(now: Millis): number {
    const elapsed = this.#filledAt === undefined ? Number.POSITIVE_INFINITY : Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#hashesPerMilli);
    this.#filledAt = now;
    return this.#tokens;
  }
}

/** Messages that wait. */
const QUEUE = 256;
/** Hashes at a time: about a millisecond. */
const SLICE = 100;
/** What may be saved up. */
const BURST: Millis = 200;
