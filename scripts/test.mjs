// "npm test": set up, check, then the whole suite under the pinned Node. Arguments go to the test runner (files, --test-name-pattern ...).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, root, setUp } from './setup.mjs';

setUp();
const given = process.argv.slice(2);
const files = given.some((argument) => !argument.startsWith('-')) ? [] : ['test/**/*.test.ts'];
const run = (args) =>
  spawnSync(pinnedNode, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  });
const result = run(['--test', '--test-reporter=spec', ...given, ...files]);
process.exit(result.status ?? 1);
