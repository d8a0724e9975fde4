import { requireInteger } from '../encode-error.ts';
import type { ErrorCode } from '../message.ts';
import type { WireBytes } from '../wire-bytes.ts';
import { decodeText, encodeText, SHORT_TEXT } from './text.ts';
import type { ValueCodec } from './value-codec.ts';

/**
 * ERROR-CODE, RFC 8489 §14.8
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-----------------------------------------+-----+---------------+
 *     |               0 (ignored)               |class|    number     |
 *     +-----------------------------------------+-----+---------------+
 *     |            reason phrase (variable)                           |
 */
export const errorCode: ValueCodec<ErrorCode> = {
  decode: decodeErrorCode,
  encode: (to, offset, error) => encodeErrorCode(to, offset, error, 0),
};

export interface AddressErrorCode extends ErrorCode {
  readonly family: number;
}

/** ADDRESS-ERROR-CODE, RFC 8656 §18.12: the same with the address family in the first byte. */
export const addressErrorCode: ValueCodec<AddressErrorCode> = {
  decode(from, offset, length) {
    const error = decodeErrorCode(from, offset, length);
    return error && { family: from.view.getUint8(offset), ...error };
  },
  encode(to, offset, error) {
    return encodeErrorCode(to, offset, error, requireInteger(error.family, 0, 0xff, 'address family'));
  },
};

function decodeErrorCode(from: WireBytes, offset: number, length: number): ErrorCode | undefined {
  if (length < 4 || length - 4 > SHORT_TEXT.decodeBytes) return undefined;
  const hundreds = from.view.getUint8(offset + 2) & 0b111;
  const number = from.view.getUint8(offset + 3);
  if (hundreds < 3 || hundreds > 6 || number > 99) return undefined;
  const reason = decodeText(from, offset + 4, length - 4);
  return reason === undefined ? undefined : { code: hundreds * 100 + number, reason };
}

function encodeErrorCode(to: WireBytes, offset: number, error: ErrorCode, firstByte: number): number {
  const code = requireInteger(error.code, 300, 699, 'error code');
  to.view.setUint8(offset, firstByte);
  to.view.setUint8(offset + 1, 0);
  to.view.setUint8(offset + 2, Math.trunc(code / 100));
  to.view.setUint8(offset + 3, code % 100);
  return 4 + encodeText(to, offset + 4, error.reason, SHORT_TEXT);
}
