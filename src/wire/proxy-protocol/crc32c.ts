/** CRC-32C (Castagnoli, RFC 9260 appendix A), which PP2_TYPE_CRC32C carries. Over `bytes` with `zeroed` to `zeroed + 4` taken as zero. */
export function crc32c(bytes: Uint8Array, zeroed: number): number {
  let crc = 0xffffffff;
  for (let index = 0; index < bytes.length; index++) {
    const byte = index >= zeroed && index < zeroed + 4 ? 0 : (bytes[index] ?? 0);
    crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  }
  return ~crc >>> 0;
}

/** The polynomial 0x1EDC6F41, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
  return crc;
});
