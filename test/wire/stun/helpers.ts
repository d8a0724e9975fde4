import assert from 'node:assert/strict';
import { type DecodedMessage, decodeMessage } from '../../../src/wire/stun/codec.ts';

export function decoded(packet: Uint8Array): DecodedMessage {
  const result = decodeMessage(packet);
  assert.ok(result.ok, result.ok ? '' : result.fault);
  return result.message;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** One attribute laid out by hand, filled up to 32 bits with `padding`. */
export function attribute(type: number, value: Uint8Array | string, padding = 0): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const pad = new Array<number>(-bytes.length & 3).fill(padding);
  return Buffer.from([type >>> 8, type & 0xff, bytes.length >>> 8, bytes.length & 0xff, ...bytes, ...pad]);
}

export interface HeaderParts {
  readonly type?: number;
  readonly length?: number;
  readonly cookie?: number;
}

/** A message laid out by hand: an Allocate request, unless `header` says otherwise. */
export function packet(attributes: readonly Uint8Array[], header: HeaderParts = {}): Uint8Array {
  const body = Buffer.concat(attributes);
  const bytes = Buffer.alloc(20 + body.length);
  bytes.writeUInt16BE(header.type ?? 0x0003, 0);
  bytes.writeUInt16BE(header.length ?? body.length, 2);
  bytes.writeUInt32BE(header.cookie ?? 0x2112a442, 4);
  bytes.set(TRANSACTION_ID, 8);
  bytes.set(body, 20);
  return bytes;
}

export const TRANSACTION_ID: Uint8Array = Uint8Array.from({ length: 12 }, (_, index) => index + 1);
