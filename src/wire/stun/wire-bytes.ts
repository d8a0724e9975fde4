/** One message under two views: numbers through the DataView, text and copies through the Buffer. */
export interface WireBytes {
  readonly view: DataView;
  readonly bytes: Buffer;
}

export function wireBytes(packet: Uint8Array): WireBytes {
  const { buffer, byteOffset, byteLength } = packet;
  return {
    view: new DataView(buffer, byteOffset, byteLength),
    bytes: Buffer.isBuffer(packet) ? packet : Buffer.from(buffer, byteOffset, byteLength),
  };
}

/** A copy that keeps no receive buffer alive. For few bytes: a loop beats the set-up of `set`. */
export function copyBytes(from: WireBytes, offset: number, length: number): Uint8Array {
  const copy = new Uint8Array(length);
  for (let index = 0; index < length; index++) copy[index] = from.view.getUint8(offset + index);
  return copy;
}

/** A view that stays a plain Uint8Array where the packet is a Buffer. */
export function viewBytes(from: WireBytes, offset: number, length: number): Uint8Array {
  return new Uint8Array(from.view.buffer, from.view.byteOffset + offset, length);
}

/** Attributes and password parameters end on 32-bit boundaries (RFC 8489 §14). */
export function padded(length: number): number {
  return (length + 3) & ~3;
}
