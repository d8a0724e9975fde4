// "npm run docs": writes the pages of docs/ that come from the sources.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, root, setUp } from './setup.mjs';

setUp();
const program = `
  import { writeFileSync } from 'node:fs';
  import { configReference } from './src/control/config/reference.ts';
  writeFileSync('docs/configuration.md', configReference());
`;
const done = spawnSync(pinnedNode, ['--input-type=module', '--eval', program], { cwd: root, stdio: 'inherit' });
if (done.status === 0) console.error(`docs: wrote ${join('docs', 'configuration.md')}`);
process.exit(done.status ?? 1);
