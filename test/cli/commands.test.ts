import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../control/config/rig.ts';
import { culvert } from './culvert.ts';

describe('usage', () => {
  const cases: { args: string[]; code: number; stdout?: RegExp; stderr?: RegExp }[] = [
    { args: ['--version'], code: 0, stdout: /^\d+\.\d+\.\d+\n$/ },
    { args: ['--help'], code: 0, stdout: /up \[options\].*config.*credentials.*probe/s },
    { args: ['up', '--help'], code: 0, stdout: /--config <file>.*--set <path=value>/s },
    { args: ['surgeon'], code: 2, stderr: /^culvert: unknown command 'surgeon' \("culvert --help" tells more\)\n$/ },
    {
      args: ['up', '--bogus'],
      code: 2,
      stderr: /^culvert: unknown option '--bogus' \("culvert up --help" tells more\)\n$/,
    },
    { args: ['up', '--set', 'turn.realm'], code: 2, stderr: /^culvert: --set turn\.realm: must be path=value/ },
    {
      args: ['up', '--engine', 'xdp', '--set', 'interfaces=nowhere0', '--set', 'log.level=error'],
      code: 1,
      stderr: /the xdp engine does not run here: .*\(.*\)/,
    },
    {
      args: ['up', '--config', '/nowhere.yaml'],
      code: 2,
      stderr: /^culvert: \/nowhere\.yaml: there is no such file \(check its path\)\n$/,
    },
    {
      args: ['up', 'culvert.yaml'],
      code: 2,
      stderr:
        /^culvert: too many arguments for 'up'.* \(a file is named with --config, "culvert up --help" tells more\)\n$/,
    },
    {
      args: ['flows', 'x', '--bogus'],
      code: 2,
      stderr: /unknown option '--bogus' \("culvert flows --help" tells more\)\n$/,
    },
    { args: ['config', 'check'], code: 0, stdout: /^The configuration is good: .*no file was named\.\n$/ },
    { args: ['config', 'check', '/nowhere.yaml'], code: 2, stderr: /there is no such file \(check its path\)\n$/ },
    { args: ['credentials', '--ttl', 'soon'], code: 2, stderr: /^culvert: option '--ttl <duration>'.*\n$/ },
    { args: ['credentials', '--name', 'a:b'], code: 2, stderr: /^culvert: option '--name <name>'.*\n$/ },
  ];
  for (const { args, code, stdout = /^$/, stderr = /^$/ } of cases) {
    test(`culvert ${args.join(' ')}`, async () => {
      const done = await culvert(args);
      assert.match(done.stderr, stderr);
      assert.match(done.stdout, stdout);
      assert.equal(done.code, code);
    });
  }

  test('without a command the help goes to standard error', async () => {
    const done = await culvert([]);
    assert.equal(done.code, 2);
    assert.match(done.stderr, /Usage: culvert/);
  });
});

describe('config', () => {
  test('check names every fault with its line', async (context) => {
    const file = join(temporaryFolder(context), 'config.yaml');
    writeFileSync(file, 'turn:\n  relm: x\n  relay: { ports: 9-1 }\n');
    const done = await culvert(['config', 'check', file], { CULVERT_LOG_LEVEL: 'loud' });
    assert.equal(done.code, 2);
    const lines = done.stderr.trimEnd().split('\n');
    assert.equal(lines.length, 3);
    assert.ok(lines[0]?.startsWith(`culvert: ${file}:2: turn.relm: `));
    assert.ok(lines[1]?.startsWith(`culvert: ${file}:3: turn.relay.ports: `));
    assert.ok(lines[2]?.startsWith('culvert: CULVERT_LOG_LEVEL: log.level: '));
  });

  test('--state is --set state, for every command that reads the configuration', async (context) => {
    const folder = temporaryFolder(context);
    const print = await culvert(['config', 'print', '--json', '--state', folder], { CULVERT_STATE: '/elsewhere' });
    assert.equal(JSON.parse(print.stdout).state, folder);
    const commands = ['up', 'doctor', 'status'];
    for (const { stdout } of await Promise.all(commands.map((name) => culvert([name, '--help'])))) {
      assert.match(stdout, /--state <folder>/);
    }
  });

  test('print masks secrets', async (context) => {
    const file = join(temporaryFolder(context), 'config.yaml');
    writeFileSync(
      file,
      'turn: { users: { alice: hidden1 }, secret: [hidden2, hidden3], firezone: { stampSecret: hidden4 } }\n',
    );
    const environment = { CULVERT_ADMIN_TOKEN: 'hidden5-0123456789' };
    for (const args of [[], ['--json']]) {
      const done = await culvert(['config', 'print', file, ...args], environment);
      assert.equal(done.code, 0, done.stderr);
      assert.doesNotMatch(done.stdout, /hidden/);
      assert.match(done.stdout, /"?alice"?: "\*+"/);
      assert.match(done.stdout, /49152-65535/);
    }
  });

  test('schema is JSON Schema', async () => {
    const schema = JSON.parse((await culvert(['config', 'schema'])).stdout);
    assert.equal(schema.properties.turn.properties.relay.properties.ports.default, '49152-65535');
    assert.equal(schema.additionalProperties, false);
    assert.match(schema.properties.turn.properties.realm.description, /Realm/);
  });
});

describe('credentials', () => {
  test('are made from the configured secret', async () => {
    const before = Math.floor(Date.now() / 1000);
    const done = await culvert([
      'credentials',
      '--name',
      'alice',
      '--ttl',
      '1h',
      '--json',
      '--set',
      'turn.secret=s3cret',
    ]);
    const [server] = JSON.parse(done.stdout).iceServers;
    const [expiry, name] = server.username.split(':');
    assert.equal(name, 'alice');
    assert.ok(Number(expiry) >= before + 3600 && Number(expiry) <= before + 3605);
    assert.equal(server.credential, createHmac('sha1', 's3cret').update(server.username).digest('base64'));
    assert.match(server.urls[0], /^turn:.+:3478\?transport=udp$/);
  });

  test('or from the generated one, which stays the same', async (context) => {
    const environment = { CULVERT_STATE: join(temporaryFolder(context), 'state') };
    const first = await culvert(['credentials', '--name', 'bob', '--ttl', '100d'], environment);
    const second = await culvert(['credentials', '--name', 'bob', '--ttl', '100d'], environment);
    assert.equal(first.code, 0, first.stderr);
    const secondsAway = (text: string) => text.replace(/expires:.*/, '');
    if (/username: +(\d+)/.exec(first.stdout)?.[1] === /username: +(\d+)/.exec(second.stdout)?.[1]) {
      assert.equal(secondsAway(first.stdout), secondsAway(second.stdout));
    }
    assert.match(first.stderr, /^culvert: made a new secret in .*\n$/);
    assert.equal(second.stderr, '');
    assert.match(first.stdout, /^username: +\d+:bob\ncredential: \S+=\nexpires: +\S+Z\n$/);
  });

  test('cannot be made from a secret that would be gone at once', async (context) => {
    const file = join(temporaryFolder(context), 'file');
    writeFileSync(file, '');
    const done = await culvert(['credentials'], { CULVERT_STATE: join(file, 'state') });
    assert.equal(done.code, 1);
    assert.equal(done.stdout, '');
    assert.match(done.stderr, /^culvert: no relay would know the secret: .*cannot be written/);
  });

  test('cannot be made where only users are known', async () => {
    const done = await culvert(['credentials', '--set', 'turn.users={"alice":"x"}']);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /^culvert: turn\.secret is not set/);
  });
});
