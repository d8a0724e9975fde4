/** A point in time or a duration in milliseconds. Points are Unix time, so that they survive a restart in a snapshot. */
export type Millis = number;

export const SECOND: Millis = 1000;
export const MINUTE: Millis = 60 * SECOND;
export const HOUR: Millis = 60 * MINUTE;
