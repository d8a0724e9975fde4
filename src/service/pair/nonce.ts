import { timingSafeEqual } from 'node:crypto';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { hmac } from '../../wire/hmac.ts';
import { NONCE_BYTES } from '../../wire/pair/extension.ts';
import type { Guid } from '../../wire/pair/handshake.ts';

/**
 * A nonce without memory: whoever sends it back proves that packets to its address reach it. Bound to address, port, GUID and time,
 * so that what somebody recorded is good for nobody else, and soon for nobody.
 *
 *     issued at, ms (8 bytes, big-endian)   HMAC-SHA256, the first 16 bytes
 */
export function makeNonce(key: Uint8Array, to: Endpoint, guid: Guid, now: Millis): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  new DataView(nonce.buffer).setBigUint64(0, BigInt(Math.floor(now)));
  nonce.set(seal(key, nonce.subarray(0, TIME_BYTES), to, guid), TIME_BYTES);
  return nonce;
}

/** Ours, for this address and GUID, and not older than `lifetime`. */
export function isGoodNonce(
  nonce: Uint8Array,
  key: Uint8Array,
  from: Endpoint,
  guid: Guid,
  lifetime: Millis,
  now: Millis,
): boolean {
  const time = nonce.subarray(0, TIME_BYTES);
  if (!timingSafeEqual(seal(key, time, from, guid), nonce.subarray(TIME_BYTES))) return false;
  const age = now - Number(new DataView(nonce.buffer, nonce.byteOffset, TIME_BYTES).getBigUint64(0));
  return age >= 0 && age <= lifetime;
}

function seal(key: Uint8Array, time: Uint8Array, client: Endpoint, guid: Guid): Uint8Array {
  const bound = Buffer.from(`culvert pair nonce ${guid} ${endpointKey(client)}`);
  return hmac('sha256', key, time, bound).subarray(0, NONCE_BYTES - TIME_BYTES);
}

const TIME_BYTES = 8;
