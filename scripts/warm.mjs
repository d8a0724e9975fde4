// Loads every module of the program once, so that the compile cache has them all. Run by setup.mjs, under the pinned Node.
import { globSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './setup.mjs';

module.enableCompileCache(join(root, 'node_modules/.cache/culvert'));
// These do something as soon as they are loaded.
const entries = ['src/cli/main.ts', 'src/cli/lean-start.ts', '**/worker.ts'];
for (const file of globSync('src/**/*.ts', { cwd: root, exclude: entries })) {
  await import(pathToFileURL(join(root, file)).href);
}
