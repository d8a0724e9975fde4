// "npm test": set up, then the whole suite under the pinned Node (suite.mjs). Arguments go to the test runner (files, --test-name-pattern ...).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, root, setUp } from './setup.mjs';

setUp();
const given = process.argv.slice(2);
const files = given.some((argument) => !argument.startsWith('-')) ? [] : ['test/**/*.test.ts'];
const args = given.length === 0 ? ['scripts/suite.mjs'] : ['--test', '--test-reporter=spec', ...given, ...files];
const result = spawnSync(pinnedNode, args, {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    // Where bin/culvert.mjs has it too: types are stripped once, not in each file's process.
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/culvert'),
  },
});
process.exit(result.status ?? 1);
