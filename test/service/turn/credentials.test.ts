import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import type { CredentialConfig } from '../../../src/service/turn/config.ts';
import {
  CredentialConfigError,
  Credentials,
  deriveKey,
  type KeySearch,
  userhash,
} from '../../../src/service/turn/credentials.ts';
import { KeyCache } from '../../../src/service/turn/key-cache.ts';
import { opaqueString } from '../../../src/service/turn/opaque-string.ts';
import { firezonePassword, parseTimeLimitedName, restPassword } from '../../../src/service/turn/time-limited.ts';

const REALM = 'example.org';
const NOW = 1_800_000_000_000;
const EXPIRY = NOW / 1000 + 60;

test('derives the keys of RFC 8489 §9.2.2 and §18.5.1', () => {
  const md5 = deriveKey('md5', 'user', 'realm', 'pass');
  assert.equal(Buffer.from(md5).toString('hex'), '8493fbc53ba582fb4c044c456bdc40eb');
  const sha256 = deriveKey('sha256', 'user', 'realm', 'pass');
  assert.deepEqual(Buffer.from(sha256), createHash('sha256').update('user:realm:pass').digest());
});

test('hashes usernames as RFC 8489 appendix B.1 does', () => {
  const hash = Buffer.from(userhash('マトリックス', REALM)).toString('hex');
  assert.equal(hash, '4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704');
});

test('makes the passwords of Firezone', () => {
  assert.equal(
    firezonePassword('1685984278', '1cab293a-4032-46f4-862a-40e5d174b0d2', 'uvdgKvS9GXYZ_vmv'),
    '6xUIoZ+QvxKhRasLifwfRkMXl+ETLJUsFkHlXjlHAkg',
  );
  assert.equal(
    firezonePassword(
      String(60 * 60 * 24 * 365 * 60),
      '4c98bf59c99b3e467ecd7cf9d6b3e5279645fca59be67bc5bb4af3cf653761ab',
      'n23JJ2wKKtt30oXi',
    ),
    '00hqldgk5xLeKKOB+xls9mHMVtgqzie9DulfgQwMv68',
  );
});

test('makes the passwords of the REST form', () => {
  const expected = createHmac('sha1', 'north').update('1800000060:alice').digest('base64');
  assert.equal(restPassword('1800000060:alice', 'north'), expected);
});

test('finds long-term users by name and by hash, under one canonical name', () => {
  const credentials = make({ users: { alice: 's3cret' } });
  const key = deriveKey('md5', 'alice', REALM, 's3cret');
  assert.deepEqual(search(credentials, 'alice', key), { ok: true, user: 'alice', key });
  const byHash = credentials.findKey({ userhash: userhash('alice', REALM) }, 'md5', NOW, sameAs(key));
  assert.deepEqual(byHash, { ok: true, user: 'alice', key });
  const stronger = deriveKey('sha256', 'alice', REALM, 's3cret');
  assert.equal(credentials.findKey({ username: 'alice' }, 'sha256', NOW, sameAs(stronger)).ok, true);
  assert.equal(credentials.findKey({ username: 'alice' }, 'md5', NOW, sameAs(stronger)).ok, false);
});

test('all three forms work side by side under the same name', () => {
  const name = `${EXPIRY}:n23JJ2wKKtt30oXi`;
  const credentials = make({ users: { [name]: 'long' }, secrets: ['north', 'south'], stampSecrets: ['east', 'west'] });
  const passwords = [
    'long',
    restPassword(name, 'north'),
    restPassword(name, 'south'),
    firezonePassword(String(EXPIRY), 'east', 'n23JJ2wKKtt30oXi'),
    firezonePassword(String(EXPIRY), 'west', 'n23JJ2wKKtt30oXi'),
  ];
  // Twice: the second time some come out of the cache, and must not hide the others.
  for (const password of [...passwords, ...passwords]) {
    const key = deriveKey('md5', name, REALM, password);
    const user = password === 'long' ? name : 'time-limited:n23JJ2wKKtt30oXi';
    assert.deepEqual(search(credentials, name, key), { ok: true, user, key });
  }
  assert.deepEqual(search(credentials, name, deriveKey('md5', name, REALM, 'other')), refused('wrong-integrity'));
});

test('a REST name may be the expiry alone; Firezone needs a salt, which may have colons', () => {
  const credentials = make({ secrets: ['north'], stampSecrets: ['east'] });
  const bare = String(EXPIRY);
  assert.equal(search(credentials, bare, deriveKey('md5', bare, REALM, restPassword(bare, 'north'))).ok, true);
  const salted = `${EXPIRY}:7:x`;
  const password = firezonePassword(String(EXPIRY), 'east', '7:x');
  assert.equal(search(credentials, salted, deriveKey('md5', salted, REALM, password)).ok, true);
});

test('time-limited credentials are good through the second of their expiry, cached or not', () => {
  const name = `${EXPIRY}:alice`;
  const key = deriveKey('md5', name, REALM, restPassword(name, 'north'));
  const at = (now: number, credentials: Credentials): KeySearch =>
    credentials.findKey({ username: name }, 'md5', now, sameAs(key));
  const cached = make({ secrets: ['north'] });
  assert.equal(at(NOW, cached).ok, true);
  for (const credentials of [cached, make({ secrets: ['north'] })]) {
    assert.equal(at(EXPIRY * 1000, credentials).ok, true);
    assert.deepEqual(at(EXPIRY * 1000 + 1, credentials), refused('expired-credentials'));
  }
});

test('takes time-limited names apart strictly', () => {
  const good: readonly (readonly [string, number, string | undefined])[] = [
    ['0', 0, undefined],
    ['1685984278', 1685984278, undefined],
    ['1685984278:', 1685984278, ''],
    ['1685984278:alice', 1685984278, 'alice'],
    ['1685984278:5:alice', 1685984278, '5:alice'],
    ['1685984278:ünï', 1685984278, 'ünï'],
    ['9007199254740991:x', 9007199254740991, 'x'],
  ];
  for (const [text, expiry, name] of good) {
    const parsed = parseTimeLimitedName(text);
    assert.equal(parsed?.expiresAt, expiry * 1000, text);
    assert.equal(parsed?.name, name, text);
  }
  const bad = [
    ...[
      '',
      ':',
      ':alice',
      'alice',
      'alice:1685984278',
      '-5:x',
      '+5:x',
      ' 5:x',
      '5 :x',
      '5\n',
      '5.0:x',
      '1e9:x',
      '0x10:x',
    ],
    ...['007:x', '9007199254740992:x', '99999999999999999:x', '340282366920938463463374607431768211456:x', '٣:x'],
    ...['5:a\u0000b', '5\u0000:a', '5:\u0000', '5:a\u007f', `${'9'.repeat(500)}:x`],
  ];
  for (const text of bad) assert.equal(parseTimeLimitedName(text), undefined, JSON.stringify(text));
});

test('names that nobody has are unknown, and cost one proof like a wrong password', () => {
  const credentials = make({ users: { alice: 's3cret' }, secrets: ['north'] });
  const proofsOf = (username: string): [KeySearch, number] => {
    let proofs = 0;
    const result = credentials.findKey({ username }, 'md5', NOW, () => {
      proofs++;
      return false;
    });
    return [result, proofs];
  };
  assert.deepEqual(proofsOf('alice'), [refused('wrong-integrity'), 1]);
  assert.deepEqual(proofsOf('mallory'), [refused('unknown-user'), 1]);
  assert.deepEqual(proofsOf(''), [refused('unknown-user'), 1]);
  assert.deepEqual(proofsOf(`${EXPIRY}:x`), [refused('wrong-integrity'), 1]);
  assert.deepEqual(proofsOf('1600000000:x'), [refused('expired-credentials'), 1]);
});

test('even a proof that accepts everything makes no unknown name known', () => {
  const credentials = make({ users: { alice: 's3cret' } });
  const always = (): boolean => true;
  assert.equal(credentials.findKey({ username: 'mallory' }, 'md5', NOW, always).ok, false);
  assert.equal(credentials.findKey({ username: '__proto__' }, 'md5', NOW, always).ok, false);
  assert.equal(credentials.findKey({ userhash: new Uint8Array(32) }, 'md5', NOW, always).ok, false);
  assert.equal(credentials.findKey({ username: `${EXPIRY}:x` }, 'md5', NOW, always).ok, false);
});

test('knows every name only without time-limited credentials', () => {
  assert.equal(make({ users: { alice: 'a' } }).knowsEveryName, true);
  assert.equal(make({ users: { alice: 'a' }, secrets: ['s'] }).knowsEveryName, false);
  assert.equal(make({ users: { alice: 'a' }, stampSecrets: ['s'] }).knowsEveryName, false);
  assert.equal(make({}).knowsEveryName, false);
});

test('prepares realm, names and passwords with OpaqueString', () => {
  assert.equal(opaqueString('cafe\u0301'), 'caf\u00e9');
  assert.equal(opaqueString('a\u00a0b\u3000c'), 'a b c');
  assert.equal(opaqueString('Straße ﬁ'), 'Straße ﬁ');
  for (const text of ['', 'a\u0000', 'a\nb', '\u0085']) assert.equal(opaqueString(text), undefined);
  const credentials = make({ users: { 'e\u0301ve': 'pa\u00a0ss' } });
  const key = deriveKey('md5', '\u00e9ve', REALM, 'pa ss');
  assert.deepEqual(search(credentials, '\u00e9ve', key), { ok: true, user: '\u00e9ve', key });
});

test('what cannot be a name, password or secret is a fault of the configuration', () => {
  assert.throws(() => make({ users: { '': 'x' } }), CredentialConfigError);
  assert.throws(() => make({ users: { alice: '' } }), CredentialConfigError);
  assert.throws(() => make({ users: { 'a\u0000': 'x' } }), CredentialConfigError);
  assert.throws(() => make({ secrets: [''] }), CredentialConfigError);
  assert.throws(() => make({ stampSecrets: [''] }), CredentialConfigError);
  assert.throws(
    () => make({ users: { alice: 'tell\u0000tale' } }),
    (error: Error) => !error.message.includes('tell'),
  );
});

test('the key cache holds no more than its capacity, and keeps what is in use', () => {
  const cache = new KeyCache(100);
  const kept = { key: new Uint8Array(16), expiresAt: 1, user: 'a' };
  cache.set('kept', kept);
  for (let name = 0; name < 10_000; name++) {
    cache.set(`name ${name}`, { key: new Uint8Array(16), expiresAt: 1, user: 'a' });
    assert.equal(cache.get('kept'), kept);
    assert.ok(cache.size <= 100);
  }
  assert.equal(cache.get('name 0'), undefined);
});

function make(config: { users?: Record<string, string>; secrets?: string[]; stampSecrets?: string[] }): Credentials {
  const full: CredentialConfig = {
    users: new Map(Object.entries(config.users ?? {})),
    secrets: config.secrets ?? [],
    stampSecrets: config.stampSecrets ?? [],
  };
  return new Credentials(REALM, full);
}

function search(credentials: Credentials, username: string, key: Uint8Array): KeySearch {
  return credentials.findKey({ username }, 'md5', NOW, sameAs(key));
}

function sameAs(key: Uint8Array): (other: Uint8Array) => boolean {
  return (other) => Buffer.compare(key, other) === 0;
}

function refused(refusal: string): { ok: false; refusal: string } {
  return { ok: false, refusal };
}
