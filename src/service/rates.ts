import type { Direction, RateLimit } from '../flow/flow.ts';
import type { BucketId, IdSource } from '../net/ids.ts';
import { type Millis, SECOND } from '../net/time.ts';

/** Who has a rate: one bucket for all of its traffic in a direction. */
export interface Rated {
  /** Made when first needed: most have no limit. */
  rates: Rates | undefined;
}

export interface Rates {
  readonly toPeer: Rate;
  readonly toClient: Rate;
}

interface Rate {
  readonly bucket: BucketId;
  tokens: number;
  filledAt: Millis;
}

/** The state of a service with such a quota. */
interface Home {
  readonly ids: IdSource;
  /** 0 = no limit. */
  readonly config: { readonly quota: { readonly bytesPerSecond: number } };
}

/** For the flows of one holder in one direction, which share a bucket. Undefined: no quota. */
export function rateLimit({ ids, config }: Home, holder: Rated, direction: Direction): RateLimit | undefined {
  const { bytesPerSecond } = config.quota;
  if (bytesPerSecond === 0) return undefined;
  const { bucket } = rateOf(ids, holder, direction);
  return { bucket, bytesPerSecond, burst: burst(bytesPerSecond) };
}

/** The same quota for what no flow carries. The engine's bucket and this one are two: who uses both ways gets no more than twice. */
export function takeRate(
  { ids, config }: Home,
  holder: Rated,
  direction: Direction,
  bytes: number,
  now: Millis,
): boolean {
  const { bytesPerSecond } = config.quota;
  if (bytesPerSecond === 0) return true;
  const rate = rateOf(ids, holder, direction);
  const gained = (Math.max(0, now - rate.filledAt) * bytesPerSecond) / SECOND;
  rate.tokens = Math.min(burst(bytesPerSecond), rate.tokens + gained);
  rate.filledAt = now;
  if (rate.tokens < bytes) return false;
  rate.tokens -= bytes;
  return true;
}

function rateOf(ids: IdSource, holder: Rated, direction: Direction): Rate {
  const rates: Rates = (holder.rates ??= { toPeer: fullRate(ids), toClient: fullRate(ids) });
  return direction === 'to_peer' ? rates.toPeer : rates.toClient;
}

/** Full from the first packet on, whenever that comes: what is gained since time 0 is cut at the burst. */
function fullRate(ids: IdSource): Rate {
  return { bucket: ids.bucket(), tokens: 0, filledAt: 0 };
}

/** One second's worth, but never less than the largest datagram, which otherwise could never pass. */
function burst(bytesPerSecond: number): number {
  return Math.max(bytesPerSecond, 0x10000);
}
