import { compressBlake2s, IV } from './blake2s-compress.ts';

const BLOCK_BYTES = 64;

/**
 * BLAKE2s with a key (RFC 7693 §3): what WireGuard's MACs are, and what node:crypto lacks. `key` has 1 to 32 bytes, the result
 * `length` bytes, 1 to 32. Of our own, because a relay does it for each handshake and each registered key. Not constant-time in the
 * lengths; nothing depends on the data. Synchronous code shares the working memory.
 */
export function keyedBlake2s(key: Uint8Array, length: number, message: Uint8Array): Uint8Array {
  state.set(IV);
  state[0] = (state[0] ?? 0) ^ 0x0101_0000 ^ (key.length << 8) ^ length;
  block.fill(0).set(key);
  // The key is a block before the message; without a message it is the last one.
  compress(BLOCK_BYTES, message.length === 0);
  for (let at = 0; at < message.length; at += BLOCK_BYTES) {
    const end = Math.min(at + BLOCK_BYTES, message.length);
    for (let index = at; index < end; index++) block[index - at] = message[index] ?? 0;
    block.fill(0, end - at);
    compress(BLOCK_BYTES + end, end === message.length);
  }
  const out = new Uint8Array(length);
  for (let index = 0; index < length; index++) out[index] = (state[index >> 2] ?? 0) >>> (8 * (index & 3));
  return out;
}

/** `total`: bytes so far, this block included. */
function compress(total: number, isLast: boolean): void {
  for (let index = 0; index < 16; index++) words[index] = blockView.getUint32(index * 4, true);
  compressBlake2s(state, words, total, isLast);
}

const state = new Int32Array(8);
const block: Uint8Array = new Uint8Array(BLOCK_BYTES);
const blockView = new DataView(block.buffer);
const words = new Int32Array(16);
