import type { Millis } from '../../net/time.ts';

/** Milliseconds of CLOCK_MONOTONIC, which is the clock of the kernel's program. */
export function monotonic(): Millis {
  return Math.floor(Number(process.hrtime.bigint()) / 1e6);
}
