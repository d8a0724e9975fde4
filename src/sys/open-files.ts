import { readdirSync, readFileSync, statSync } from 'node:fs';

/** How many descriptors this process may have open (RLIMIT_NOFILE); undefined where /proc does not say. */
export function openFilesLimit(): number | undefined {
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(limits() ?? '')?.[1];
  if (limit === undefined) return undefined;
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}

/** How many it has open; undefined where /proc does not say. Linux 6.2 has the number at hand, before that they are counted. */
export function openFiles(): number | undefined {
  try {
    return statSync(DESCRIPTORS).size || readdirSync(DESCRIPTORS).length;
  } catch {
    return undefined;
  }
}

function limits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return undefined;
  }
}

const DESCRIPTORS = '/proc/self/fd';
