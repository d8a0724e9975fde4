// "npm start": set up, then run the relay under the pinned Node. Arguments go to "culvert up": after "--" Node leaves them alone, as in bin/culvert.mjs.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, root, setUp } from './setup.mjs';

setUp();
const child = spawn(pinnedNode, ['--', join(root, 'bin/culvert.mjs'), 'up', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
