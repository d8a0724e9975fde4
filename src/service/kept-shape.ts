import { formatAddress, parseAddress } from '../net/address.ts';

/**
 * Whether a value out of a file is what it is taken for. A file in the state folder may be of anybody who could write there once: what it holds
 * goes into tables, timers and sockets, where a value of the wrong kind would end the process at every start.
 */
export type Shape = (value: unknown) => boolean;

export const text: Shape = (value) => typeof value === 'string';

export const flag: Shape = (value) => typeof value === 'boolean';

/** Unix time in milliseconds that a Date can be. */
export const time: Shape = (value) => typeof value === 'number' && value >= 0 && value <= 8.64e15;

export function whole(least: number, most: number): Shape {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

export const count: Shape = whole(0, Number.MAX_SAFE_INTEGER);

/** In canonical form, as it is compared. */
export const address: Shape = (value) => familyOf(value) !== undefined;

/** Address and port as an Endpoint has them. */
export const endpoint: Shape = (value) =>
  fields({ family: whole(4, 6), address: text, port: whole(0, 65_535) })(value) &&
  familyOf((value as { address: string }).address) === (value as { family: number }).family;

/** Others may stand beside them. */
export function fields(shapes: Readonly<Record<string, Shape>>): Shape {
  const entries = Object.entries(shapes);
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    entries.every(([name, shape]) => shape((value as Readonly<Record<string, unknown>>)[name]));
}

export function list(shape: Shape, most = Number.POSITIVE_INFINITY): Shape {
  return (value) => Array.isArray(value) && value.length <= most && value.every(shape);
}

export function optional(shape: Shape): Shape {
  return (value) => value === undefined || shape(value);
}

function familyOf(value: unknown): number | undefined {
  const bytes = typeof value === 'string' ? parseAddress(value) : undefined;
  if (bytes === undefined || formatAddress(bytes) !== value) return undefined;
  return bytes.length === 4 ? 4 : 6;
}
