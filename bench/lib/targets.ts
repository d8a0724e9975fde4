export interface Target {
  readonly what: string;
  readonly wanted: string;
  /** undefined: not measured in this run. */
  readonly got: string | undefined;
  readonly met: boolean;
  /** When it is missed: where one reads why. */
  readonly why?: string;
}

/** `value`: undefined or NaN when it was not measured. */
export function target(
  what: string,
  wanted: string,
  meets: (value: number) => boolean,
  value: number | undefined,
  show: (value: number) => string,
): Target {
  if (value === undefined || Number.isNaN(value)) return { what, wanted, got: undefined, met: false };
  return { what, wanted, got: show(value), met: meets(value) };
}

export const atLeast = (least: number) => (value: number) => value >= least;
export const atMost = (most: number) => (value: number) => value <= most;
