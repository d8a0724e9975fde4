// "npm run check": everything that reads the code without running it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, setUp } from './setup.mjs';

setUp();
const bin = join(root, 'node_modules/.bin');
const steps = [
  ['tsc', '--project', 'tsconfig.json'],
  ['biome', 'check', '--error-on-warnings', '.'],
  ['knip'],
  ['tsc', '--project', 'tsconfig.build.json'],
  ['publint', '--strict'],
];
for (const [command, ...args] of steps) {
  console.error(`check: ${command} ${args.join(' ')}`);
  const done = spawnSync(join(bin, command), args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  if (done.status !== 0) process.exit(done.status ?? 1);
}
