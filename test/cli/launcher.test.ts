import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';

const root: string = fileURLToPath(new URL('../..', import.meta.url));

// Node looks through all arguments for an --env-file, in front of the script or behind it, unless "--" stops it.
test('the file of --env-file is read by the relay alone, not by the Node that runs it', {
  skip: missing('npm'),
}, async (context) => {
  const folder = temporaryFolder(context);
  const none = join(folder, 'none.env');
  const forNode = join(folder, 'node.env');
  writeFileSync(forNode, 'NODE_OPTIONS=--no-such-option\nno variable\n');
  // The machine's own Node, whatever its age, and one that is new enough to run the relay.
  const [own, newer] = [process.env.PATH, `${dirname(process.execPath)}:${process.env.PATH}`];
  const launcher = [join(root, 'bin/culvert.mjs'), 'up'];
  const starts: [command: string[], path: string | undefined, file: string, fault: string][] = [
    [launcher, own, none, ': there is no such file (check its path)'],
    [launcher, newer, none, ': there is no such file (check its path)'],
    [launcher, newer, forNode, ':2: is not NAME=value (or put # in front)'],
    [['npm', '--silent', 'start', '--'], own, forNode, ':2: is not NAME=value (or put # in front)'],
  ];
  const done = starts.map(([command, path, file]) => run([...command, '--env-file', file], path));
  assert.deepEqual(
    await Promise.all(done),
    starts.map(([, , file, fault]) => ({ code: 2, stderr: `culvert: ${file}${fault}\n` })),
  );
});

test('who starts the command in a clone has the process of the relay, whatever Node the machine has', async (context) => {
  const state = temporaryFolder(context);
  const off = ['turn', 'wireguard', 'pair'].flatMap((name) => ['--set', `${name}.listen=udp://127.0.0.1:0`]);
  const settings = ['--state', state, '--set', 'admin.listen=http://127.0.0.1:0', '--engine', 'portable', ...off];
  const child = spawn(join(root, 'bin/culvert.mjs'), ['up', '--json', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const program = realpathSync(`/proc/${child.pid}/exe`);
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.equal(program, realpathSync(join(root, 'node_modules/node/bin/node')));
});

function run([program = '', ...args]: readonly string[], path: string | undefined) {
  return new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(program, args, { cwd: root, env: { ...process.env, PATH: path } }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stderr }),
    );
  });
}
