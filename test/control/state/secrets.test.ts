import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replaceFile } from '../../../src/control/state/replace-file.ts';
import { loadOrMakeSecrets, readSecrets, SECRETS_FILE } from '../../../src/control/state/secrets.ts';
import { temporaryFolder } from '../config/rig.ts';

test('secrets are made once, and are there for their user alone', (context) => {
  const folder = join(temporaryFolder(context), 'deep', 'state');
  const made = loadOrMakeSecrets(folder);
  assert.ok(made.ok && made.kept);
  assert.equal(made.secrets.nonceKey.length, 32);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, SECRETS_FILE)).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), [SECRETS_FILE]);
  const again = loadOrMakeSecrets(folder);
  assert.ok(again.ok);
  assert.deepEqual(again.secrets, made.secrets);
});

test('two folders have different secrets', (context) => {
  const folder = temporaryFolder(context);
  const [one, two] = ['a', 'b'].map((name) => loadOrMakeSecrets(join(folder, name)));
  assert.ok(one?.ok && two?.ok);
  assert.notDeepEqual(one.secrets.nonceKey, two.secrets.nonceKey);
  assert.notEqual(one.secrets.turn.password, two.secrets.turn.password);
  assert.notEqual(one.secrets.turn.secret, two.secrets.turn.secret);
});

test('a file of the version before pairs is completed, and what it holds stays', (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, SECRETS_FILE);
  const made = loadOrMakeSecrets(folder);
  assert.ok(made.ok);
  const { pair, ...older } = JSON.parse(readFileSync(file, 'utf8'));
  assert.equal(Buffer.from(pair, 'base64').length, 32);
  writeFileSync(file, JSON.stringify(older));
  const read = readSecrets(folder);
  assert.ok(read?.ok && !read.complete, 'what only reads does not pass off a new secret as the kept one');
  const completed = loadOrMakeSecrets(folder);
  assert.ok(completed.ok && completed.kept);
  assert.deepEqual(completed.secrets.turn, made.secrets.turn);
  assert.notEqual(completed.secrets.pair, pair);
  const again = loadOrMakeSecrets(folder);
  assert.ok(again.ok);
  assert.deepEqual(again.secrets, completed.secrets);
});

test('reading alone makes nothing', (context) => {
  const folder = join(temporaryFolder(context), 'state');
  assert.equal(readSecrets(folder), undefined);
  assert.ok(!existsSync(folder));
});

test('permissions that grew wide are taken back, and said', (context) => {
  const folder = temporaryFolder(context);
  loadOrMakeSecrets(folder);
  chmodSync(join(folder, SECRETS_FILE), 0o644);
  const result = loadOrMakeSecrets(folder);
  assert.ok(result.ok);
  assert.match(result.note ?? '', /could be read by other users/);
  assert.equal(statSync(join(folder, SECRETS_FILE)).mode & 0o777, 0o600);
});

test('a damaged file is a failure that quotes nothing of it', (context) => {
  const folder = temporaryFolder(context);
  for (const text of ['', '{', '{"version":2}', '{"version":1,"nonceKey":"aGlkZGVu","turn":{"password":"hidden"}}']) {
    writeFileSync(join(folder, SECRETS_FILE), text);
    const result = loadOrMakeSecrets(folder);
    assert.ok(!result.ok, text);
    assert.match(result.reason, /is damaged/);
    assert.doesNotMatch(result.reason, /hidden|aGlkZGVu/);
  }
});

test('a folder that cannot be made gives secrets for this process, and a note', (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, 'file'), '');
  const result = loadOrMakeSecrets(join(folder, 'file', 'state'));
  assert.ok(result.ok && !result.kept);
  assert.match(result.note ?? '', /will not outlive this process/);
});

test('a folder that others can write to is said, whoever made it so', (context) => {
  const folder = temporaryFolder(context);
  chmodSync(folder, 0o777);
  loadOrMakeSecrets(folder);
  const result = loadOrMakeSecrets(folder);
  assert.ok(result.ok);
  assert.match(result.note ?? '', /can be written by other users \(chmod 700 it\)/);
});

test('a link that somebody put in the way is replaced, not gone through', (context) => {
  const folder = temporaryFolder(context);
  const [file, other] = [join(folder, 'secrets.json'), join(folder, 'other')];
  writeFileSync(other, 'of somebody else');
  symlinkSync(other, `${file}.${process.pid}.tmp`);
  replaceFile(file, 'ours', 0o600);
  assert.equal(readFileSync(other, 'utf8'), 'of somebody else');
  assert.ok(lstatSync(file).isFile());
  rmSync(file);
  symlinkSync(other, file);
  replaceFile(file, 'ours', 0o600);
  assert.equal(readFileSync(other, 'utf8'), 'of somebody else');
});

test('replacing a file that cannot be replaced leaves no part behind', (context) => {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, 'taken', 'by-a-folder'), { recursive: true });
  assert.throws(() => replaceFile(join(folder, 'taken'), 'text', 0o600));
  assert.deepEqual(readdirSync(folder), ['taken']);
  replaceFile(join(folder, 'new'), 'one', 0o600);
  replaceFile(join(folder, 'new'), 'two', 0o600);
  assert.equal(readFileSync(join(folder, 'new'), 'utf8'), 'two');
});
