import { crc32 } from 'node:zlib';
import { viewBytes, type WireBytes } from './wire-bytes.ts';

/** RFC 8489 §14.7: CRC-32 of everything before the attribute, XORed so that a CRC of the application does not pass for it. */
export function fingerprint(message: WireBytes, offset: number): number {
  return (crc32(viewBytes(message, 0, offset)) ^ FINGERPRINT_XOR) >>> 0;
}

const FINGERPRINT_XOR = 0x5354554e;
