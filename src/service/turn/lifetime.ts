import { MINUTE, type Millis, SECOND } from '../../net/time.ts';
import type { TurnConfig } from './config.ts';

/** RFC 8656 §9: "MUST be 300 seconds". */
export const PERMISSION_LIFETIME: Millis = 5 * MINUTE;
/** RFC 8656 §12. */
export const CHANNEL_LIFETIME: Millis = 10 * MINUTE;
/** RFC 8656 §7.2: "at least 30 seconds". */
export const RESERVATION_LIFETIME: Millis = 30 * SECOND;

/**
 * RFC 8656 §7.2 and §8.2: the smaller of what is asked (in seconds) and the maximum, but never less than the default. For a Refresh
 * with LIFETIME 0 do not ask here.
 */
export function grantedLifetime({ lifetime }: TurnConfig, seconds: number | undefined): Millis {
  if (seconds === undefined) return lifetime.default;
  return Math.max(Math.min(seconds * SECOND, lifetime.max), lifetime.default);
}

/** For the LIFETIME attribute. */
export function secondsUntil(expiry: Millis, now: Millis): number {
  return Math.max(0, Math.floor((expiry - now) / SECOND));
}

/** How long a stream may stay without a valid request or an allocation. */
export const STREAM_PATIENCE: Millis = 30 * SECOND;
/** How long an engine may take to bind a port. */
export const OPENING_PATIENCE: Millis = 10 * SECOND;
