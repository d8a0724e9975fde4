import { randomBytes } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import { BlockList } from '../service/block-list.ts';

/** The block list of all services, with what the configuration blocks. `apply` has the flows of a blocked address removed. */
export function makeBlockList({ limits }: Config, apply: () => void): BlockList {
  // A strike comes from inside a service, which must finish what it is at first.
  const blocks = new BlockList(randomBytes, { ...limits.strikes, maxBlocks: MAX_BLOCKS }, () => queueMicrotask(apply));
  for (const prefix of limits.block) blocks.add(prefix);
  return blocks;
}

const MAX_BLOCKS = 10_000;
