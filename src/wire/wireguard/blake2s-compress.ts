/**
 * RFC 7693 §3.2: one block into the state. `words`: the block; `total`: bytes so far, this block included. Written out with local variables,
 * which is three times as fast as an array of them, and a search among registered keys is nothing but this.
 */
export function compressBlake2s(state: Int32Array, words: Int32Array, total: number, isLast: boolean): void {
  let v0 = word(state, 0);
  let v1 = word(state, 1);
  let v2 = word(state, 2);
  let v3 = word(state, 3);
  let v4 = word(state, 4);
  let v5 = word(state, 5);
  let v6 = word(state, 6);
  let v7 = word(state, 7);
  let v8 = word(IV, 0);
  let v9 = word(IV, 1);
  let v10 = word(IV, 2);
  let v11 = word(IV, 3);
  let v12 = word(IV, 4) ^ total;
  let v13 = word(IV, 5);
  let v14 = isLast ? ~word(IV, 6) : word(IV, 6);
  let v15 = word(IV, 7);
  for (let at = 0; at < SIGMA.length; at += 16) {
    v0 = (v0 + v4 + word(words, SIGMA[at] ?? 0)) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 16) | (v12 << 16);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + word(words, SIGMA[at + 1] ?? 0)) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 8) | (v12 << 24);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + word(words, SIGMA[at + 2] ?? 0)) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 16) | (v13 << 16);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + word(words, SIGMA[at + 3] ?? 0)) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 8) | (v13 << 24);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + word(words, SIGMA[at + 4] ?? 0)) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 16) | (v14 << 16);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + word(words, SIGMA[at + 5] ?? 0)) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 8) | (v14 << 24);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + word(words, SIGMA[at + 6] ?? 0)) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 16) | (v15 << 16);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + word(words, SIGMA[at + 7] ?? 0)) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 8) | (v15 << 24);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 7) | (v7 << 25);
    v0 = (v0 + v5 + word(words, SIGMA[at + 8] ?? 0)) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 16) | (v15 << 16);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + word(words, SIGMA[at + 9] ?? 0)) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 8) | (v15 << 24);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + word(words, SIGMA[at + 10] ?? 0)) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 16) | (v12 << 16);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + word(words, SIGMA[at + 11] ?? 0)) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 8) | (v12 << 24);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + word(words, SIGMA[at + 12] ?? 0)) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 16) | (v13 << 16);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + word(words, SIGMA[at + 13] ?? 0)) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 8) | (v13 << 24);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + word(words, SIGMA[at + 14] ?? 0)) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 16) | (v14 << 16);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + word(words, SIGMA[at + 15] ?? 0)) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 8) | (v14 << 24);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 7) | (v4 << 25);
  }
  state[0] = word(state, 0) ^ v0 ^ v8;
  state[1] = word(state, 1) ^ v1 ^ v9;
  state[2] = word(state, 2) ^ v2 ^ v10;
  state[3] = word(state, 3) ^ v3 ^ v11;
  state[4] = word(state, 4) ^ v4 ^ v12;
  state[5] = word(state, 5) ^ v5 ^ v13;
  state[6] = word(state, 6) ^ v6 ^ v14;
  state[7] = word(state, 7) ^ v7 ^ v15;
}

function word(array: Int32Array, index: number): number {
  return array[index] ?? 0;
}

/** RFC 7693 §2.6. */
export const IV = Int32Array.of(
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
