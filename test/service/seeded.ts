import { createHash } from 'node:crypto';
import type { RandomBytes } from '../../src/net/random.ts';

/** Random bytes that are the same in every run: SHA-256 over a counter. */
export function seededRandom(seed: string | number): RandomBytes {
  let block = 0;
  return (length) => {
    const blocks: Buffer[] = [];
    for (let bytes = 0; bytes < length; bytes += 32) {
      blocks.push(createHash('sha256').update(`${seed}:${block++}`).digest());
    }
    return Buffer.concat(blocks).subarray(0, length);
  };
}
