import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ForwardSettings } from '../../src/control/config/forward.ts';
import { loadConfig } from '../../src/control/config/load.ts';
import { temporaryFolder } from '../control/config/rig.ts';

/** From YAML, so that the way from the file to the socket is the real one. */
export async function settings(t: TestContext, entries: readonly string[]): Promise<readonly ForwardSettings[]> {
  const file = join(temporaryFolder(t), 'config.yaml');
  writeFileSync(file, `forward:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`);
  const loaded = await loadConfig({ file, environment: {}, overrides: [] });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config.forward ?? [];
}
