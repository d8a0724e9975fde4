import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Processors that this process may keep busy, at least 1: those that it may run on, and no more than its cgroup's quota allows. */
export function usableProcessors(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota() ?? Number.POSITIVE_INFINITY)));
}

/**
 * The smallest quota of our cgroup and of those around it, in processors; undefined without one. cgroup v2 has "max 100000" or
 * "150000 100000" in cpu.max; v1 has cpu.cfs_quota_us, −1 for none, and cpu.cfs_period_us. `read` gives a file's text, undefined
 * without the file. A container sees its own cgroup as the root.
 */
export function cpuQuota(read: (path: string) => string | undefined = readText): number | undefined {
  const quotas: number[] = [];
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    // hierarchy:controllers:path; v2 names no controllers.
    const [, controllers, path] = line.split(':', 3);
    if (controllers === undefined || path === undefined) continue;
    const v1 = controllers.split(',').includes('cpu');
    if (controllers !== '' && !v1) continue;
    for (const folder of foldersTo(path)) {
      const quota = v1
        ? quotaV1(read, `/sys/fs/cgroup/cpu${folder}`)
        : quotaV2(read(`/sys/fs/cgroup${folder}/cpu.max`));
      if (quota !== undefined) quotas.push(quota);
    }
  }
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

/** "/a/b" → "/a/b", "/a", "". */
function foldersTo(path: string): string[] {
  const folders: string[] = [];
  for (let folder = path.replace(/\/+$/, ''); folder !== ''; folder = folder.slice(0, folder.lastIndexOf('/'))) {
    folders.push(folder);
  }
  return [...folders, ''];
}

function quotaV2(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? '').trim().split(' ').map(Number);
  return ratio(quota, period);
}

function quotaV1(read: (path: string) => string | undefined, folder: string): number | undefined {
  return ratio(Number(read(`${folder}/cpu.cfs_quota_us`)), Number(read(`${folder}/cpu.cfs_period_us`)));
}

function ratio(quota: number | undefined, period: number | undefined): number | undefined {
  if (quota === undefined || period === undefined || !(quota > 0 && period > 0)) return undefined;
  return quota / period;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
