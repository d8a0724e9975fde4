import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { cpuQuota, usableProcessors } from '../../src/sys/cpu-quota.ts';

for (const [what, files, quota] of [
  ['no cgroup at all', {}, undefined],
  ['v2 without a limit', { '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': 'max 100000\n' }, undefined],
  ['v2', { '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': '150000 100000\n' }, 1.5],
  ['v2 in a container', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '50000 100000\n' }, 0.5],
  [
    'v2, a parent has less',
    {
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/b/cpu.max': '400000 100000\n',
      '/sys/fs/cgroup/a/cpu.max': '300000 100000\n',
    },
    3,
  ],
  [
    'v1',
    {
      '/proc/self/cgroup': '5:cpu,cpuacct:/d/x\n4:memory:/d/x\n',
      '/sys/fs/cgroup/cpu/d/x/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu/d/x/cpu.cfs_period_us': '100000\n',
    },
    2,
  ],
  [
    'v1 without a limit',
    {
      '/proc/self/cgroup': '5:cpu:/\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    },
    undefined,
  ],
  ['nonsense', { '/proc/self/cgroup': '0::/\nx\n', '/sys/fs/cgroup/cpu.max': 'a b c\n' }, undefined],
] as const) {
  test(`quota: ${what}`, () => {
    const tree: Readonly<Record<string, string>> = files;
    assert.equal(
      cpuQuota((path) => tree[path]),
      quota,
    );
  });
}

test('at least one processor, and never more than there are', () => {
  assert.ok(usableProcessors() >= 1 && usableProcessors() <= availableParallelism());
});
