import { Arena } from '../../../sys/arena.ts';
import type { KeepAliveSeconds } from '../../../sys/stream-socket.ts';
import type { RingReader } from '../ring.ts';
import { type Dialled, dial } from './dial.ts';
import {
  STAND_BYTES,
  STAND_COUNT,
  STAND_KEEP_ALIVE,
  STAND_MOST,
  STAND_SERVICE,
  STAND_TARGET_ADDRESS,
  STAND_TARGET_BYTES,
  STAND_VERSION,
} from './messages.ts';
import { type Joining, UNTOLD } from './stream.ts';

/** Whether the message has one; without targets it takes back what stood. */
export function isDecision(ring: RingReader, body: number): boolean {
  return ring.word(body + STAND_COUNT) > 0;
}

/** A standing decision as a worker has it: targets in turn. */
export class Standing implements Joining {
  readonly client: number = UNTOLD;
  readonly first: undefined = undefined;
  readonly timeout: number;
  readonly idle: number;
  readonly keepAlive: KeepAliveSeconds | undefined;
  readonly service: number;
  readonly most: number;
  readonly version: number;
  /** Of the target that was dialled last. */
  tag = 0;
  readonly #targets: readonly { readonly tag: number; readonly family: 4 | 6 | 'unix'; readonly size: number }[];
  readonly #addresses: Arena;

  /** `body`: of the message in the ring. */
  constructor(ring: RingReader, body: number) {
    this.timeout = ring.number(body);
    this.idle = ring.number(body + 8);
    const at = (place: number): number => ring.word(body + place);
    const idle = at(STAND_KEEP_ALIVE);
    this.keepAlive =
      idle > 0 ? { idle, interval: at(STAND_KEEP_ALIVE + 4), count: at(STAND_KEEP_ALIVE + 8) } : undefined;
    this.service = at(STAND_SERVICE);
    this.most = at(STAND_MOST);
    this.version = at(STAND_VERSION);
    const count = at(STAND_COUNT);
    this.#targets = Array.from({ length: count }, (_, n) => {
      const target = STAND_BYTES + n * STAND_TARGET_BYTES;
      const family = at(target + 8);
      return { tag: at(target), size: at(target + 4), family: family === 4 || family === 6 ? family : 'unix' };
    });
    const bytes = count * STAND_TARGET_BYTES;
    this.#addresses = new Arena(bytes);
    this.#addresses.bytes.set(ring.bytes.subarray(body + STAND_BYTES, body + STAND_BYTES + bytes));
  }

  dial(turn: number): Dialled {
    const n = turn % this.#targets.length;
    const target = this.#targets[n];
    if (target === undefined) throw new RangeError('a standing decision without a target');
    this.tag = target.tag;
    const address = this.#addresses.address + n * STAND_TARGET_BYTES + STAND_TARGET_ADDRESS;
    return dial(target.family, address, target.size, 0, 0);
  }
}
