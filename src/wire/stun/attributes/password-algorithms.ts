import { requireInteger, StunEncodeError } from '../encode-error.ts';
import type { PasswordAlgorithm } from '../message.ts';
import { copyBytes, padded, type WireBytes } from '../wire-bytes.ts';
import type { ValueCodec } from './value-codec.ts';

/**
 * PASSWORD-ALGORITHMS, RFC 8489 §14.11: any number of
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+-------------------------------+
 *     |          algorithm            |  length of parameters         |
 *     +-------------------------------+-------------------------------+
 *     |            parameters, padded to 32 bits                      |
 *
 * The last one's padding may be counted in the attribute's length or be the attribute's own: receivers cannot tell, so both are taken.
 */
export const passwordAlgorithms: ValueCodec<readonly PasswordAlgorithm[]> = {
  decode(from, offset, length) {
    const list: PasswordAlgorithm[] = [];
    for (let done = 0; done < length; ) {
      const algorithm = decodeAlgorithm(from, offset + done, length - done);
      if (algorithm === undefined) return undefined;
      list.push(algorithm);
      done += sizeOf(algorithm);
    }
    return list;
  },
  encode(to, offset, list) {
    let written = 0;
    for (const algorithm of list) written += encodeAlgorithm(to, offset + written, algorithm, 0xffff - written);
    return written;
  },
};

/** PASSWORD-ALGORITHM, §14.12: exactly one. */
export const passwordAlgorithm: ValueCodec<PasswordAlgorithm> = {
  decode(from, offset, length) {
    const algorithm = decodeAlgorithm(from, offset, length);
    return algorithm && padded(length) === sizeOf(algorithm) ? algorithm : undefined;
  },
  encode: (to, offset, algorithm) => encodeAlgorithm(to, offset, algorithm, 0xffff),
};

function decodeAlgorithm(from: WireBytes, offset: number, room: number): PasswordAlgorithm | undefined {
  if (room < 4) return undefined;
  const length = from.view.getUint16(offset + 2);
  if (4 + length > room) return undefined;
  return { algorithm: from.view.getUint16(offset), parameters: copyBytes(from, offset + 4, length) };
}

function encodeAlgorithm(to: WireBytes, offset: number, value: PasswordAlgorithm, room: number): number {
  const { parameters } = value;
  const size = sizeOf(value);
  if (size > room) throw new StunEncodeError('password algorithms that do not fit an attribute');
  to.view.setUint16(offset, requireInteger(value.algorithm, 0, 0xffff, 'password algorithm'));
  to.view.setUint16(offset + 2, parameters.length);
  to.bytes.set(parameters, offset + 4);
  to.bytes.fill(0, offset + 4 + parameters.length, offset + size);
  return size;
}

function sizeOf(algorithm: PasswordAlgorithm): number {
  return 4 + padded(algorithm.parameters.length);
}
