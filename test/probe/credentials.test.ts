import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseCredentials } from '../../src/probe/credentials.ts';

const NOW = 1_700_000_000_000;
const IN_URL = { username: 'url', password: 'url' };

test('a secret makes time-limited credentials', () => {
  // The password was made with: printf 1700000600:alice | openssl dgst -sha1 -hmac north -binary | base64
  assert.deepEqual(chooseCredentials({ secret: 'north', user: 'alice' }, IN_URL, NOW), {
    ok: true,
    credentials: { username: '1700000600:alice', password: 'gthUwOpcRoLI0MMCziCEBOWYnpo=' },
  });
});

test('a secret needs no name', () => {
  const choice = chooseCredentials({ secret: 'north' }, undefined, NOW);
  assert.ok(choice.ok);
  assert.equal(choice.credentials?.username, '1700000600:probe');
});

test('flags win over the URL, the URL over nothing', () => {
  const flags = { user: 'alice', password: 'pw' };
  assert.deepEqual(chooseCredentials(flags, IN_URL, NOW), {
    ok: true,
    credentials: { username: 'alice', password: 'pw' },
  });
  assert.deepEqual(chooseCredentials({}, IN_URL, NOW), { ok: true, credentials: IN_URL });
  assert.deepEqual(chooseCredentials({}, undefined, NOW), { ok: true, credentials: undefined });
});

test('half of a pair is wrong usage', () => {
  for (const options of [{ user: 'alice' }, { password: 'pw' }, { secret: 'north', password: 'pw' }]) {
    assert.ok(!chooseCredentials(options, undefined, NOW).ok, JSON.stringify(options));
  }
});
