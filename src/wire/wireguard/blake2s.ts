const BLOCK_BYTES = 64;
const ROUNDS = 10;

/**
 * BLAKE2s with a key (RFC 7693 §3): what WireGuard's MACs are, and what node:crypto lacks. `key` has 1 to 32 bytes, the result
 * `length` bytes, 1 to 32. Of our own, because a relay does it for each handshake and each registered key. Not constant-time in the
 * lengths; nothing depends on the data. Synchronous code shares the working memory.
 */
export function keyedBlake2s(key: Uint8Array, length: number, message: Uint8Array): Uint8Array {
  state.set(IV);
  state[0] = word(state, 0) ^ 0x0101_0000 ^ (key.length << 8) ^ length;
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
  for (let index = 0; index < length; index++) out[index] = word(state, index >> 2) >>> (8 * (index & 3));
  return out;
}

/** RFC 7693 §3.2. `total`: bytes so far, this block included. */
function compress(total: number, isLast: boolean): void {
  for (let index = 0; index < 16; index++) words[index] = blockView.getUint32(index * 4, true);
  work.set(state);
  work.set(IV, 8);
  work[12] = word(work, 12) ^ total;
  if (isLast) work[14] = ~word(work, 14);
  for (let round = 0; round < ROUNDS; round++) {
    const at = round * 16;
    mix(0, 4, 8, 12, at);
    mix(1, 5, 9, 13, at + 2);
    mix(2, 6, 10, 14, at + 4);
    mix(3, 7, 11, 15, at + 6);
    mix(0, 5, 10, 15, at + 8);
    mix(1, 6, 11, 12, at + 10);
    mix(2, 7, 8, 13, at + 12);
    mix(3, 4, 9, 14, at + 14);
  }
  for (let index = 0; index < 8; index++) state[index] = word(state, index) ^ word(work, index) ^ word(work, index + 8);
}

/** RFC 7693 §3.1: G, with the two message words that SIGMA names at `at`. */
function mix(ia: number, ib: number, ic: number, id: number, at: number): void {
  let a = word(work, ia);
  let b = word(work, ib);
  let c = word(work, ic);
  let d = word(work, id);
  a = (a + b + word(words, SIGMA[at] ?? 0)) | 0;
  d ^= a;
  d = (d >>> 16) | (d << 16);
  c = (c + d) | 0;
  b ^= c;
  b = (b >>> 12) | (b << 20);
  a = (a + b + word(words, SIGMA[at + 1] ?? 0)) | 0;
  d ^= a;
  d = (d >>> 8) | (d << 24);
  c = (c + d) | 0;
  b ^= c;
  b = (b >>> 7) | (b << 25);
  work[ia] = a;
  work[ib] = b;
  work[ic] = c;
  work[id] = d;
}

function word(array: Int32Array, index: number): number {
  return array[index] ?? 0;
}

const IV = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
/** RFC 7693 §2.7, a hexadecimal digit an entry. */
const SIGMA: Uint8Array = Uint8Array.from(
  [
    '0123456789abcdef',
    'ea489fd61c02b753',
    'b8c052fdae367194',
    '7931dcbe265a40f8',
    '905724afe1bc683d',
    '2c6a0b834d75fe19',
    'c51fed4a0763928b',
    'db7ec13950f4862a',
    '6fe9b308c2d714a5',
    'a2847615fb9e3cd0',
  ].join(''),
  (digit) => Number.parseInt(digit, 16),
);

const state = new Int32Array(8);
const work = new Int32Array(16);
const words = new Int32Array(16);
const block: Uint8Array = new Uint8Array(BLOCK_BYTES);
const blockView = new DataView(block.buffer);
