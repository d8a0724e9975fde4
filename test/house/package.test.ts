// The package as a user gets it: packed, installed elsewhere, run.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from '../requirements.ts';

const root: string = fileURLToPath(new URL('../..', import.meta.url));

describe('the packed package', { skip: missing('npm') }, () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'culvert-package-'));
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    const tarball = join(folder, packed.trim().split('\n').at(-1) ?? '');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', tarball], { cwd: folder });
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test('holds no TypeScript sources, no tests and no secrets', () => {
    const files = execFileSync('find', ['node_modules/culvert', '-type', 'f'], { cwd: folder, encoding: 'utf8' }).split(
      '\n',
    );
    assert.deepEqual(
      files.filter((file) => /(?<!\.d)\.ts$|\/test\/|culvert\/state\/|\.pem$/.test(file)),
      [],
    );
  });

  test('"npx culvert up" runs and ends cleanly', async () => {
    const settings = [
      'turn.listen=udp://127.0.0.1:0',
      'wireguard.listen=udp://127.0.0.1:0',
      'pair.listen=udp://127.0.0.1:0',
      'admin.listen=http://127.0.0.1:0',
      `state=${join(folder, 'state')}`,
    ];
    const path = `${dirname(process.execPath)}:${process.env.PATH}`;
    const child = spawn(
      join(folder, 'node_modules/.bin/culvert'),
      ['up', ...settings.flatMap((setting) => ['--set', setting])],
      {
        cwd: folder,
        env: { ...process.env, PATH: path },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('iceServers')) child.kill('SIGTERM');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.on('exit', (...outcome) => resolve(outcome)),
    );
    clearTimeout(deadline);
    assert.deepEqual([code, signal], [0, null], output);
    assert.match(output, /iceServers/);
  });

  test('the file of --env-file is read by the relay, not by Node', () => {
    const path = `${dirname(process.execPath)}:${process.env.PATH}`;
    const file = join(folder, 'missing.env');
    const done = spawnSync(join(folder, 'node_modules/.bin/culvert'), ['up', '--env-file', file], {
      env: { ...process.env, PATH: path },
      encoding: 'utf8',
    });
    assert.deepEqual([done.status, done.stderr], [2, `culvert: ${file}: there is no such file (check its path)\n`]);
  });
});
