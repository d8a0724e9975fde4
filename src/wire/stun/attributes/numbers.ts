import { requireInteger } from '../encode-error.ts';
import type { ValueCodec } from './value-codec.ts';

/** LIFETIME, RFC 8656 §18.2: 32 bits. */
export const uint32: ValueCodec<number> = {
  decode: (from, offset, length) => (length === 4 ? from.view.getUint32(offset) : undefined),
  encode(to, offset, value) {
    to.view.setUint32(offset, requireInteger(value, 0, 0xffff_ffff, 'number'));
    return 4;
  },
};

/** CHANNEL-NUMBER, §18.1: 16 bits, then two reserved bytes, ignored when received. */
export const uint16Reserved: ValueCodec<number> = {
  decode: (from, offset, length) => (length === 4 ? from.view.getUint16(offset) : undefined),
  encode(to, offset, value) {
    to.view.setUint32(offset, requireInteger(value, 0, 0xffff, 'number') * 0x1_0000);
    return 4;
  },
};

/** REQUESTED-TRANSPORT, REQUESTED-ADDRESS-FAMILY and its like, §18.6 and §18.8: one byte, then three reserved. */
export const uint8Reserved: ValueCodec<number> = {
  decode: (from, offset, length) => (length === 4 ? from.view.getUint8(offset) : undefined),
  encode(to, offset, value) {
    to.view.setUint32(offset, requireInteger(value, 0, 0xff, 'number') * 0x100_0000);
    return 4;
  },
};

/** EVEN-PORT, §18.7: the top bit of one byte; the others are reserved. */
export const evenPort: ValueCodec<{ readonly reserveNext: boolean }> = {
  decode: (from, offset, length) =>
    length === 1 ? { reserveNext: (from.view.getUint8(offset) & 0x80) !== 0 } : undefined,
  encode(to, offset, value) {
    to.view.setUint8(offset, value.reserveNext ? 0x80 : 0);
    return 1;
  },
};

/** DONT-FRAGMENT, §18.9: no value, its presence says it all. */
export const flag: ValueCodec<true> = {
  decode: (_from, _offset, length) => (length === 0 ? true : undefined),
  encode: () => 0,
};
