/** Thrown for values that no STUN message can carry: a mistake of the caller, never of a peer. */
export class StunEncodeError extends Error {
  override readonly name = 'StunEncodeError';
  readonly code = 'ERR_STUN_ENCODE';
}

/** `value`, where it is a whole number from `min` to `max`. */
export function requireInteger(value: number, min: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new StunEncodeError(`${what}: ${value} is not in ${min} to ${max}`);
}
