/** The first four bytes, big-endian, as a signed word. */
export function firstWordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

/** `receiverOf` of flow/ for a payload inside a larger buffer: the index, or −1. */
export function receiverAt(bytes: Uint8Array, at: number, length: number): number {
  if (length < 32 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) return -1;
  switch (bytes[at]) {
    case 2:
      return length === 92 ? littleEndianAt(bytes, at + 8) : -1;
    case 3:
      return length === 64 ? littleEndianAt(bytes, at + 4) : -1;
    case 4:
      return littleEndianAt(bytes, at + 4);
    default:
      return -1;
  }
}

function littleEndianAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return low + (bytes[at + 3] ?? 0) * 0x1000000;
}
