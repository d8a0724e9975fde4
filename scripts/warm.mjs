// Loads every module of the program once, so that the compile cache has them all. Run by setup.mjs, under the pinned Node; with "workers" for the flags of
// V8 that worker threads find, since what was compiled under others is compiled again.
import { globSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './setup.mjs';

const load = (file) => import(pathToFileURL(join(root, file)).href);
const enable = () => module.enableCompileCache(join(root, 'node_modules/.cache/culvert'));
const forWorkers = process.argv[2] === 'workers';
if (!forWorkers) enable();
const { startIsOver } = await load('src/cli/lean-start.ts');
if (forWorkers) {
  startIsOver();
  enable();
}
for (const file of globSync('src/**/*.ts', { cwd: root, exclude: ['src/cli/main.ts'] })) {
  // Entries of worker threads find nothing to do here, and say so; by then they are compiled.
  await (file.endsWith('/worker.ts') ? load(file).catch(() => {}) : load(file));
}
