import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const skip = process.platform === 'win32' ? 'needs ulimit' : false;

// A process of its own, because it uses up its descriptors.
test('out of descriptors: results and counts, and the engine goes on', { skip }, () => {
  const program = fileURLToPath(new URL('without-descriptors.ts', import.meta.url));
  const shell = 'ulimit -n 64 && exec "$0" "$1"';
  const report = JSON.parse(execFileSync('sh', ['-c', shell, process.execPath, program], { encoding: 'utf8' }));
  assert.deepEqual(report.failures, ['no-descriptors']);
  assert.equal(report.echoed, 'still alive');
  assert.equal(report.reopened, true);
});
