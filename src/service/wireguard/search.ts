import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import type { Core } from './core.ts';
import { Rate } from './rate.ts';
import type { RegisteredKey } from './registry.ts';
import type { Remote } from './remote.ts';

/** Goes on with a message once its recipient is known. `packet` is the one to go on with. */
export type Found = (core: Core, key: RegisteredKey, packet: Uint8Array, now: Millis) => void;

interface Search {
  readonly at: SocketId;
  readonly from: Endpoint;
  readonly packet: Uint8Array;
  readonly found: Found;
  readonly since: Millis;
  /** Set when its turn has come: by then more may be known. */
  order: Iterator<RegisteredKey> | undefined;
}

/**
 * Finds whom a message is for among all registered keys, a hash each. What the source's last messages were for is tried at once. Everything
 * else waits in a short queue and is searched in slices, so that ten thousand keys and a flood of garbage neither stop other packets nor
 * take more than a share of the processor. What has waited for as long as a peer waits before it tries again is given up: what a flood
 * left in the queue costs those who come after it one try.
 */
export class Searches {
  readonly #rate: Rate;
  readonly #queue: Search[] = [];
  /** What names a receiver that waits for it: no garbage, so it neither waits behind any nor is charged to its source. */
  readonly #answers: Search[] = [];

  /** Of the latest searches, the last one last. */
  readonly #found = new Set<RegisteredKey>();

  constructor(hashesPerSecond: number) {
    this.#rate = new Rate(hashesPerSecond, BURST);
  }

  get waiting(): number {
    return this.#queue.length + this.#answers.length;
  }

  begin(core: Core, at: SocketId, from: Endpoint, packet: Uint8Array, found: Found, now: Millis): undefined {
    if (this.#queue.length >= QUEUE || !core.searchBudget.take(from, 1, now)) return core.drop('search-over-budget');
    this.#queue.push({ at, from, packet: packet.slice(), found, since: now, order: undefined });
    this.run(core, now);
  }

  /** For a response to an initiation that its source was sent. */
  beginAnswer(core: Core, at: SocketId, from: Endpoint, packet: Uint8Array, found: Found, now: Millis): undefined {
    if (this.#answers.length >= QUEUE) return core.drop('search-over-budget');
    this.#answers.push({ at, from, packet: packet.slice(), found, since: now, order: undefined });
    this.run(core, now);
  }

  /** One slice, as far as the share of the processor goes. */
  run(core: Core, now: Millis): void {
    let hashes = Math.min(SLICE, this.#rate.available(now));
    while (hashes >= 1) {
      const queue = this.#answers.length > 0 ? this.#answers : this.#queue;
      const search = queue[0];
      if (search === undefined) return;
      if (search.order === undefined && now - search.since >= PATIENCE) {
        queue.shift();
        core.drop('search-over-budget');
        continue;
      }
      search.order ??= this.#orderFor(core, search);
      const next = search.order.next();
      if (next.done) {
        queue.shift();
        core.drop('unregistered-peer');
        continue;
      }
      const key = next.value;
      hashes--;
      this.#rate.spend(1);
      if (!core.registry.isFor(search.packet, key)) continue;
      queue.shift();
      core.registry.remember(search.from, key);
      this.#noteFound(key);
      search.found(core, key, search.packet, now);
    }
  }

  /** When there is something to go on with: at once while there are tokens. */
  next(now: Millis): Millis | undefined {
    if (this.waiting === 0) return undefined;
    return this.#rate.isReady ? now : this.#rate.readyAt(SLICE, now);
  }

  /** Those it may well be first: a peer that many speak to is found at once, and so is who was found while this one waited. */
  *#orderFor({ registry, table }: Core, { at, from }: Search): Iterator<RegisteredKey> {
    const likely = new Set([...registry.recent(from), ...keysOfPartners(table.find(at, from)), ...this.#found]);
    yield* likely;
    for (const key of registry.keys) if (!likely.has(key)) yield key;
  }

  #noteFound(key: RegisteredKey): void {
    this.#found.delete(key);
    this.#found.add(key);
    const [oldest] = this.#found;
    if (oldest !== undefined && this.#found.size > FOUND) this.#found.delete(oldest);
  }
}

function* keysOfPartners(remote: Remote | undefined): Iterable<RegisteredKey> {
  for (const { stage, to } of remote?.routes.values() ?? []) if (stage === 'live') yield* to.keys;
}

/** Keys that the last searches found. */
const FOUND = 32;
/** Messages that wait. */
const QUEUE = 256;
/** The handshake is void then: its sender has made another. */
const PATIENCE: Millis = 5 * SECOND;
/** Hashes at a time: a third of a millisecond. */
const SLICE = 300;
/** What may be saved up. */
const BURST: Millis = 200;
