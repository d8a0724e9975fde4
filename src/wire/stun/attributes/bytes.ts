import { StunEncodeError } from '../encode-error.ts';
import { copyBytes, viewBytes } from '../wire-bytes.ts';
import type { ValueCodec } from './value-codec.ts';

/** USERHASH (32 bytes, RFC 8489 §14.4), RESERVATION-TOKEN (8 bytes, RFC 8656 §18.10). Decoded to a copy: they are kept. */
export function fixedBytes(size: number): ValueCodec<Uint8Array> {
  return {
    decode: (from, offset, length) => (length === size ? copyBytes(from, offset, size) : undefined),
    encode(to, offset, value) {
      if (value.length !== size) throw new StunEncodeError(`${value.length} bytes where there must be ${size}`);
      to.bytes.set(value, offset);
      return size;
    },
  };
}

/** DATA, RFC 8656 §18.4. Decoded to a view: it is passed on at once, and may be large. */
export const data: ValueCodec<Uint8Array> = {
  decode: viewBytes,
  encode(to, offset, value) {
    if (value.length > 0xffff) throw new StunEncodeError(`${value.length} bytes do not fit an attribute`);
    to.bytes.set(value, offset);
    return value.length;
  },
};
