import type { Direction, RateLimit } from '../../flow/flow.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import type { Allocation, Rate, Rates } from './allocation.ts';
import type { Core } from './core.ts';

/** One second's worth, but never less than the largest datagram, which otherwise could never pass. */
function burst(bytesPerSecond: number): number {
  return Math.max(bytesPerSecond, 0x10000);
}

/** For the flows of an allocation in one direction, which share a bucket. Undefined: no quota. */
export function rateLimit(core: Core, allocation: Allocation, direction: Direction): RateLimit | undefined {
  const { bytesPerSecond } = core.config.quota;
  if (bytesPerSecond === 0) return undefined;
  const { bucket } = rateOf(core, allocation, direction);
  return { bucket, bytesPerSecond, burst: burst(bytesPerSecond) };
}

/** The same quota for what no flow carries. The engine's bucket and this one are two: a client that uses both ways gets no more than twice. */
export function takeRate(
  core: Core,
  allocation: Allocation,
  direction: Direction,
  bytes: number,
  now: Millis,
): boolean {
  const { bytesPerSecond } = core.config.quota;
  if (bytesPerSecond === 0) return true;
  const rate = rateOf(core, allocation, direction);
  const gained = (Math.max(0, now - rate.filledAt) * bytesPerSecond) / SECOND;
  rate.tokens = Math.min(burst(bytesPerSecond), rate.tokens + gained);
  rate.filledAt = now;
  if (rate.tokens < bytes) return false;
  rate.tokens -= bytes;
  return true;
}

function rateOf(core: Core, allocation: Allocation, direction: Direction): Rate {
  const rates: Rates = (allocation.rates ??= { toPeer: fullRate(core), toClient: fullRate(core) });
  return direction === 'to_peer' ? rates.toPeer : rates.toClient;
}

/** Full from the first packet on, whenever that comes: what is gained since time 0 is cut at the burst. */
function fullRate(core: Core): Rate {
  return { bucket: core.ids.bucket(), tokens: 0, filledAt: 0 };
}
