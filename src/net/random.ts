/** Source of random bytes: the system's CSPRNG in production, a seeded one in tests. Returns `length` fresh bytes. */
export type RandomBytes = (length: number) => Uint8Array;
