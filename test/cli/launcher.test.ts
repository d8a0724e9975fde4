import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';

const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** How a clone is started: by the machine's own Node, whatever its age, and by one that is new enough to run the relay. */
const starts: readonly (readonly [string, readonly string[]])[] = [
  [join(root, 'bin/culvert.mjs'), ['up']],
  ['npm', ['--silent', 'start', '--']],
];

// Node looks through all arguments for an --env-file, in front of the script or behind it, unless "--" stops it.
test('the file of --env-file is read by the relay alone, not by the Node that runs it', {
  skip: missing('npm'),
}, async (context) => {
  const folder = temporaryFolder(context);
  const none = join(folder, 'none.env');
  const forNode = join(folder, 'node.env');
  writeFileSync(forNode, 'NODE_OPTIONS=--no-such-option\nno variable\n');
  const paths = [process.env.PATH, `${dirname(process.execPath)}:${process.env.PATH}`];
  const runs = starts.flatMap(([program, args]) =>
    paths.flatMap((path) => [
      run(program, [...args, '--env-file', none], path).then((done) => [
        done,
        { code: 2, stderr: `culvert: ${none}: there is no such file (check its path)\n` },
      ]),
      run(program, [...args, '--env-file', forNode], path).then((done) => [
        done,
        { code: 2, stderr: `culvert: ${forNode}:2: is not NAME=value (or put # in front)\n` },
      ]),
    ]),
  );
  for (const [done, expected] of await Promise.all(runs)) assert.deepEqual(done, expected);
});

function run(program: string, args: readonly string[], path: string | undefined) {
  return new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(program, args, { cwd: root, env: { ...process.env, PATH: path } }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stderr }),
    );
  });
}
