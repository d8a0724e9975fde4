/** Where a packet arrived and who sent it: the part of the hash that all packets of one read share. `at`: five words as in sockaddr. */
export function hashSender(seed: number, socket: number, words: Int32Array, at: number): number {
  let hash = mix(seed, socket);
  hash = mix(hash, words[at] ?? 0);
  hash = mix(hash, words[at + 1] ?? 0);
  hash = mix(hash, words[at + 2] ?? 0);
  hash = mix(hash, words[at + 3] ?? 0);
  return mix(hash, words[at + 4] ?? 0);
}

/** The rest: the discriminator. The kinds must not collide more than their values do. */
export function hashFlow(sender: number, kind: number, value: number): number {
  let hash = mix(mix(sender, kind), value);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x846ca68b);
  return hash ^ (hash >>> 16);
}

function mix(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51 | 0);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  const rotated = hash ^ mixed;
  return (Math.imul((rotated << 13) | (rotated >>> 19), 5) + 0xe6546b64) | 0;
}
