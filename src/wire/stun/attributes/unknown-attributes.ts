import { requireInteger, StunEncodeError } from '../encode-error.ts';
import type { ValueCodec } from './value-codec.ts';

/** UNKNOWN-ATTRIBUTES, RFC 8489 §14.13: 16-bit types one after the other. */
export const unknownAttributes: ValueCodec<readonly number[]> = {
  decode(from, offset, length) {
    if (length % 2 !== 0) return undefined;
    const types: number[] = [];
    for (let done = 0; done < length; done += 2) types.push(from.view.getUint16(offset + done));
    return types;
  },
  encode(to, offset, types) {
    if (types.length * 2 > 0xffff) throw new StunEncodeError(`${types.length} types do not fit an attribute`);
    for (const [index, type] of types.entries()) {
      to.view.setUint16(offset + index * 2, requireInteger(type, 0, 0xffff, 'attribute type'));
    }
    return types.length * 2;
  },
};
