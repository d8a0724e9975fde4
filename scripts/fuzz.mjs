// "npm run fuzz -- --messages 10000000 --seed 1": set up, then fuzz the TURN service under the pinned Node. Tells how to repeat a failure.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, root, setUp } from './setup.mjs';

setUp();
const main = join(root, 'test/service/turn/fuzz-main.ts');
const child = spawn(pinnedNode, ['--expose-gc', main, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
