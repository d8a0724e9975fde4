import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeptFile } from '../../../src/control/state/kept-file.ts';
import { temporaryFolder } from '../config/rig.ts';

test('what is written comes back, for its owner alone', (context) => {
  const folder = temporaryFolder(context);
  const kept = new KeptFile(folder, 'some.json');
  assert.equal(kept.read(), undefined);
  assert.equal(kept.write({ a: [1, 'b'] }), undefined);
  assert.deepEqual(new KeptFile(folder, 'some.json').read(), { a: [1, 'b'] });
  assert.equal(statSync(join(folder, 'some.json')).mode & 0o777, 0o600);
});

test('what is damaged is told from what is absent, and where nothing can be written the reason is told', (context) => {
  const folder = temporaryFolder(context);
  for (const content of ['', '{"a":', '\0'.repeat(100), '['.repeat(100_000)]) {
    writeFileSync(join(folder, 'some.json'), content);
    assert.equal(new KeptFile(folder, 'some.json').read(), null);
  }
  assert.equal(new KeptFile(join(folder, 'some.json'), 'below-a-file.json').read(), undefined);
  assert.equal(new KeptFile(join(folder, 'nowhere'), 'some.json').write(1), 'ENOENT');
});
