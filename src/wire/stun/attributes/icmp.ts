import { requireInteger } from '../encode-error.ts';
import type { ValueCodec } from './value-codec.ts';

export interface IcmpError {
  readonly type: number;
  readonly code: number;
  readonly data: number;
}

/**
 * ICMP, §18.13. The drawing there gives the type 7 bits and the code 9; both are bytes in ICMP, and bytes are what implementations send.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+---------------+---------------+
 *     |         0 (ignored)           |     type      |     code      |
 *     +-------------------------------+---------------+---------------+
 *     |                  data (the MTU, or zero)                      |
 */
export const icmp: ValueCodec<IcmpError> = {
  decode(from, offset, length) {
    if (length !== 8) return undefined;
    const { view } = from;
    return { type: view.getUint8(offset + 2), code: view.getUint8(offset + 3), data: view.getUint32(offset + 4) };
  },
  encode(to, offset, value) {
    to.view.setUint16(offset, 0);
    to.view.setUint8(offset + 2, requireInteger(value.type, 0, 0xff, 'ICMP type'));
    to.view.setUint8(offset + 3, requireInteger(value.code, 0, 0xff, 'ICMP code'));
    to.view.setUint32(offset + 4, requireInteger(value.data, 0, 0xffff_ffff, 'ICMP data'));
    return 8;
  },
};
