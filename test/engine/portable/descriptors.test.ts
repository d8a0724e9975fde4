import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from '../../requirements.ts';

const skip = process.platform === 'win32' ? 'needs ulimit' : false;

// A process of its own, because it uses up its descriptors.
for (const engine of ['portable', 'batched']) {
  const lacking = engine === 'batched' ? missing('ffi') : false;
  test(`${engine}, out of descriptors: results and counts, and the engine goes on`, { skip: skip || lacking }, () => {
    const program = fileURLToPath(new URL('without-descriptors.ts', import.meta.url));
    const command = ['-c', 'ulimit -n 64 && exec "$0" "$1" "$2"', process.execPath, program, engine];
    const report = JSON.parse(execFileSync('sh', command, { encoding: 'utf8' }));
    assert.deepEqual(report.failures, ['no-descriptors']);
    assert.equal(report.echoed, 'still alive');
    assert.equal(report.reopened, true);
  });
}
