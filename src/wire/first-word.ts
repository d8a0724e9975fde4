/** The first 32 bits, big-endian; -1 when there are fewer. */
export function firstWord(payload: Uint8Array): number {
  if (payload.length < 4) return -1;
  const low = ((payload[1] ?? 0) << 16) | ((payload[2] ?? 0) << 8) | (payload[3] ?? 0);
  return (payload[0] ?? 0) * 0x1000000 + low;
}
