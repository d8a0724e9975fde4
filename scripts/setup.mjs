// Brings a fresh clone to where it can run: locked dependencies, among them the pinned Node. Runs on any Node >= 18.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const pinnedNode = join(root, 'node_modules/node/bin/node');

/** Installs what package-lock.json names, unless exactly that is there already. Ends the process with a reason when it cannot. */
export function setUp() {
  const stamp = join(root, 'node_modules/.cache/culvert-setup');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(pinnedNode) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  console.error('culvert: setting up (locked dependencies and a pinned Node; once; up to a minute)');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const done = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 'inherit'] })
    : spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 'inherit'] });
  if (done.status !== 0 || !existsSync(pinnedNode)) {
    console.error(
      'culvert: set-up failed: "npm ci" did not finish. Check that the npm registry can be reached, then run again.',
    );
    process.exit(1);
  }
  linkOwnCommand();
  warmCompileCache();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** Lets "npx culvert ..." in a clone find the clone's own command: npm links the commands of dependencies only. */
function linkOwnCommand() {
  const link = join(root, 'node_modules/.bin/culvert');
  if (!existsSync(link)) symlinkSync('../../bin/culvert.mjs', link);
}

/** Types are stripped now, not in the first relay, which would keep 25 MB of the stripper in memory as long as it runs. */
function warmCompileCache() {
  for (const script of [['scripts/warm.mjs'], ['scripts/warm.mjs', 'workers'], ['bin/culvert.mjs', 'up', '--help']]) {
    spawnSync(pinnedNode, script, { cwd: root, stdio: 'ignore' });
  }
}
