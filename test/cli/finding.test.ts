// How the commands find the relay that they ask, and what they say when they do not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/control/admin/operations.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';
import { culvert, culvertUp, waitFor } from './culvert.ts';
import { Live } from './live.ts';

describe('finding the relay', () => {
  const commands = [
    ['status'],
    ['clients'],
    ['flows'],
    ['block', 'list'],
    ['block', 'add', '192.0.2.1'],
    ['block', 'remove', '192.0.2.1'],
    ['reload'],
    ['drain'],
  ];

  test('where none runs, each command says so in one line, exit code 1', async (context) => {
    const folder = temporaryFolder(context);
    for (const command of commands) {
      for (const json of [[], ['--json']]) {
        const done = await culvert([...command, '--state', folder, ...json]);
        assert.deepEqual([done.code, done.stdout], [1, ''], command.join(' '));
        assert.equal(
          done.stderr,
          `culvert: no relay runs with state folder ${folder}: start it with "culvert up", or name the folder of one that runs with --state or --config\n`,
        );
      }
    }
    const none = await culvert(['status'], { CULVERT_STATE: join(folder, 'none') });
    assert.equal(none.code, 1);
  });

  test('a file that tells nothing leads to no other relay: what is wrong with it, and exit code 2', async (context) => {
    const folder = temporaryFolder(context);
    const [none, broken] = [join(folder, 'none.yaml'), join(folder, 'broken.yaml')];
    writeFileSync(broken, 'state: /somewhere\nturn: [\n');
    for (const [file, fault] of [
      [none, `${none}: there is no such file (check its path)`],
      [broken, `${broken}:3: comes while`],
    ] as const) {
      for (const command of ['status', 'down']) {
        const done = await culvert([command, '--config', file]);
        const [first, second] = done.stderr.split('\n');
        assert.deepEqual([done.code, done.stdout], [2, '']);
        assert.ok(first?.startsWith(`culvert: ${fault}`), done.stderr);
        assert.equal(second, 'culvert: so nobody knows the state folder of the relay (name it with --state)');
      }
      const told = await culvert(['down', '--config', file], { CULVERT_STATE: folder });
      assert.deepEqual(told, { code: 0, stdout: `no relay runs with ${folder}\n`, stderr: '' });
    }
  });

  test('who may not look into the state folder is told that, and not that there is none', {
    skip: missing('root'),
  }, async (context) => {
    const state = join(temporaryFolder(context), 'state');
    mkdirSync(state, { mode: 0o700 });
    chownSync(state, 65_534, 65_534);
    const launcher = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));
    for (const command of [['status'], ['down'], ['down', '--purge', '--json']]) {
      const args = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, launcher, ...command, '--state', state];
      const done = spawnSync('setpriv', args, { encoding: 'utf8' });
      assert.deepEqual([done.status, done.stdout], [1, ''], done.stderr);
      assert.equal(
        done.stderr,
        `culvert: the relay with state folder ${state} cannot be asked (EACCES): only the relay's own user and root may ask it\n`,
      );
    }
  });

  test('wrong usage is exit code 2', async () => {
    const cases = [
      ['clients', '--service', 'dns'],
      ['clients', '--limit', 'many'],
      ['block'],
      ['block', 'add'],
      ['block', 'add', 'nonsense'],
      ['block', 'add', '192.0.2.1/24'],
      ['block', 'add', '192.0.2.1', '--for', 'ever'],
      ['drain', '--now'],
      ['status', '--config', '/nowhere.yaml', '--bogus'],
    ];
    for (const args of cases) {
      const done = await culvert(args);
      assert.deepEqual([done.code, done.stdout], [2, ''], args.join(' '));
      assert.notEqual(done.stderr, '');
    }
  });

  test('by the state folder, also one whose path is longer than a socket address', async (context) => {
    const folder = join(temporaryFolder(context), 'x'.repeat(100), 'state');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const settings = ['turn.listen', 'wireguard.listen', 'pair.listen'].flatMap((key) => [
      '--set',
      `${key}=udp://127.0.0.1:0`,
    ]);
    const running = await culvertUp(context, [...settings, '--set', 'admin.listen=off'], { CULVERT_STATE: folder });
    const done = await culvert(['status', '--state', folder]);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(statSync(join(folder, 'admin.sock')).mode & 0o777, 0o600);
    running.child.kill('SIGTERM');
    assert.equal(await running.ended(), 0);
    assert.equal(existsSync(join(folder, 'admin.sock')), false);
  });

  test('a socket that a killed relay left behind is nobody, and is replaced', async (context) => {
    const live = await Live.start(context);
    live.running?.child.kill('SIGKILL');
    await live.running?.ended();
    assert.ok(existsSync(join(live.state, 'admin.sock')));
    assert.match((await live.ask('status')).stderr, /^culvert: no relay runs with state folder/);
    await live.up();
    assert.equal((await live.ask('status')).code, 0);
  });

  test('a second relay with the same state folder does not start, and leaves the first alone', async (context) => {
    const live = await Live.start(context);
    const second = await culvert(['up', '--config', live.file]);
    assert.deepEqual([second.code, second.stdout], [1, '']);
    assert.match(
      second.stderr,
      /^culvert: state folder \S+ is in use by another relay that runs \(.*--set state=DIR\)\n$/m,
    );
    assert.equal((await live.ask('status')).code, 0);
    assert.equal((await live.json<Status>('status')).pid, live.running?.child.pid);
  });

  test('something else at the socket, or a relay that hangs, is said', async (context) => {
    const folder = temporaryFolder(context);
    const server = createServer((socket) => void socket.end('nonsense\r\n\r\n'));
    await new Promise<void>((resolve) => server.listen(join(folder, 'admin.sock'), resolve));
    afterwards(context, () => void server.close());
    const done = await culvert(['status', '--state', folder]);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /^culvert: the relay with state folder \S+ does not answer \(.*\)\n$/);
  });

  test('where the state folder cannot be made, the relay runs without', async (context) => {
    const file = join(temporaryFolder(context), 'file');
    writeFileSync(file, '');
    const settings = ['turn.listen', 'wireguard.listen', 'pair.listen'].flatMap((key) => [
      '--set',
      `${key}=udp://127.0.0.1:0`,
    ]);
    const running = await culvertUp(context, [...settings, '--set', 'admin.listen=off'], {
      CULVERT_STATE: join(file, 'state'),
    });
    await waitFor(() => running.stderr().includes('no local admin socket'));
  });
});
