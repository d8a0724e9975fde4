import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MINUTE } from '../../../src/net/time.ts';
import type { AuthFailure } from '../../../src/service/turn/auth.ts';
import { userhash } from '../../../src/service/turn/credentials.ts';
import { PASSWORD_ALGORITHMS } from '../../../src/service/turn/password-algorithms.ts';
import { firezonePassword, restPassword } from '../../../src/service/turn/time-limited.ts';
import { verifyIntegrity } from '../../../src/wire/stun/codec.ts';
import type { PasswordAlgorithm } from '../../../src/wire/stun/message.ts';
import {
  accepted,
  allocate,
  authenticator,
  CLIENT,
  challenge,
  key,
  NOW,
  oldAllocate,
  REALM,
  refused,
  send,
} from './auth-client.ts';

const EMPTY = new Uint8Array(0);
const MD5: PasswordAlgorithm = { algorithm: 1, parameters: EMPTY };
const SHA256: PasswordAlgorithm = { algorithm: 2, parameters: EMPTY };
const ALICE_MD5 = key('md5', 'alice', 's3cret');
const ALICE_SHA256 = key('sha256', 'alice', 's3cret');

const auth = authenticator();
const nonce = challenge(auth);
const alice = { username: 'alice', realm: REALM, nonce };

test('1. no integrity: 401 with REALM, NONCE and PASSWORD-ALGORITHMS, SHA-256 preferred, unsigned', () => {
  for (const attributes of [{}, alice]) {
    const failure = refused(send(auth, allocate(attributes)), 401, 'no-integrity');
    assertChallenge(failure);
    assert.deepEqual(failure.attributes.passwordAlgorithms, [SHA256, MD5]);
    assert.equal(failure.integrity, undefined);
  }
});

test('1. the nonce carries the bits of what is on offer: anonymity only where every name is known', () => {
  assert.match(nonce, /^obMatJos2wAAA/);
  assert.match(challenge(authenticator({ users: { alice: 'x' }, secrets: ['north'] })), /^obMatJos2gAAA/);
});

test('2. integrity without name, REALM or NONCE: a bare 400', () => {
  const signed = { algorithm: 'sha1', key: ALICE_MD5 } as const;
  const cases = [{ realm: REALM, nonce }, { username: 'alice', nonce }, { username: 'alice', realm: REALM }, {}];
  for (const attributes of cases) {
    const failure = refused(send(auth, allocate(attributes, signed)), 400, 'incomplete-credentials');
    assert.deepEqual(failure.attributes, {});
    assert.equal(failure.integrity, undefined);
  }
});

test('2. where Firezone’s clients are served, a good password without NONCE gets a signed 401; nobody else does', () => {
  const username = `${NOW / 1000 + 60}:salt`;
  const password = firezonePassword(String(NOW / 1000 + 60), 'stamp', 'salt');
  const first = (server: Parameters<typeof authenticator>[0], signedWith: string, realm = REALM) => {
    const integrity = { algorithm: 'sha1', key: key('md5', username, signedWith) } as const;
    return send(authenticator(server), allocate({ username, realm }, integrity));
  };
  const served = { stampSecrets: ['stamp'] };
  const failure = refused(first(served, password), 401, 'no-nonce');
  assertChallenge(failure);
  assert.deepEqual(failure.integrity, { algorithm: 'sha1', key: key('md5', username, password) });
  for (const result of [first(served, 'guess'), first(served, password, 'other'), first({ secrets: ['s'] }, 'guess')]) {
    assert.equal(refused(result, 400, 'incomplete-credentials').integrity, undefined);
  }
});

test('3. neither PASSWORD-ALGORITHMS nor PASSWORD-ALGORITHM: MD5, answered with MESSAGE-INTEGRITY', () => {
  const request = accepted(send(auth, oldAllocate(nonce)));
  assert.equal(request.user, 'alice');
  assert.equal(request.nonceIssuedAt, NOW);
  assert.deepEqual(request.integrity, { algorithm: 'sha1', key: ALICE_MD5 });
  // By the last paragraph of §9.2.4 also where the request itself had MESSAGE-INTEGRITY-SHA256.
  const modern = accepted(send(auth, allocate(alice, { algorithm: 'sha256', key: ALICE_MD5 })));
  assert.deepEqual(modern.integrity, { algorithm: 'sha1', key: ALICE_MD5 });
  // Never with the key of an algorithm that was not agreed on.
  refused(send(auth, allocate(alice, { algorithm: 'sha256', key: ALICE_SHA256 })), 401, 'wrong-integrity');
});

for (const [name, chosen, secret] of [
  ['SHA-256', SHA256, ALICE_SHA256],
  ['MD5', MD5, ALICE_MD5],
] as const) {
  test(`3. PASSWORD-ALGORITHM ${name} with our list: answered with MESSAGE-INTEGRITY-SHA256`, () => {
    const attributes = { ...alice, passwordAlgorithms: PASSWORD_ALGORITHMS, passwordAlgorithm: chosen };
    for (const algorithm of ['sha256', 'sha1'] as const) {
      const request = accepted(send(auth, allocate(attributes, { algorithm, key: secret })));
      assert.deepEqual(request.integrity, { algorithm: 'sha256', key: secret });
    }
  });
}

test('3. bid-down: one of the two missing, or a list that is not ours, is 400', () => {
  const cases = [
    { passwordAlgorithm: MD5 },
    { passwordAlgorithms: PASSWORD_ALGORITHMS },
    { passwordAlgorithms: [MD5], passwordAlgorithm: MD5 },
    { passwordAlgorithms: [MD5, SHA256], passwordAlgorithm: MD5 },
    { passwordAlgorithms: [SHA256, MD5, MD5], passwordAlgorithm: MD5 },
    { passwordAlgorithms: [SHA256, { algorithm: 1, parameters: new Uint8Array(4) }], passwordAlgorithm: MD5 },
  ];
  for (const extra of cases) {
    const packet = allocate({ ...alice, ...extra }, { algorithm: 'sha256', key: ALICE_MD5 });
    const failure = refused(send(auth, packet), 400, 'bid-down');
    // Signed, for the client must ignore a 400 that is not (§9.2.5).
    assert.deepEqual(failure.integrity, { algorithm: 'sha256', key: ALICE_MD5 });
  }
});

test('3. an algorithm that is not on the list is 400', () => {
  for (const chosen of [
    { algorithm: 3, parameters: EMPTY },
    { algorithm: 2, parameters: new Uint8Array(4) },
  ]) {
    const attributes = { ...alice, passwordAlgorithms: PASSWORD_ALGORITHMS, passwordAlgorithm: chosen };
    const packet = allocate(attributes, { algorithm: 'sha256', key: ALICE_SHA256 });
    refused(send(auth, packet), 400, 'bad-password-algorithm');
  }
});

test('3. a 400 is never signed for whoever does not have the key', () => {
  const packet = allocate({ ...alice, passwordAlgorithm: MD5 }, { algorithm: 'sha256', key: new Uint8Array(16) });
  assert.equal(refused(send(auth, packet), 400, 'bid-down').integrity, undefined);
});

test('3. stripping the bit from the cookie wins nothing: such a nonce is not ours', () => {
  const stripped = nonce.replace('obMatJos2wAAA', 'obMatJos2AAAA');
  const attributes = { ...alice, nonce: stripped, passwordAlgorithm: MD5 };
  refused(send(auth, allocate(attributes, { algorithm: 'sha1', key: ALICE_MD5 })), 438, 'bad-nonce');
});

test('4. a name nobody has, a wrong realm and a wrong password get the same answer', () => {
  const failures = [
    refused(send(auth, oldAllocate(nonce, 'mallory', 's3cret')), 401, 'unknown-user'),
    refused(send(auth, oldAllocate(nonce, 'alice', 'wrong')), 401, 'wrong-integrity'),
    refused(
      send(auth, allocate({ ...alice, realm: 'other' }, { algorithm: 'sha1', key: ALICE_MD5 })),
      401,
      'wrong-realm',
    ),
  ];
  for (const failure of failures) {
    assertChallenge(failure);
    assert.equal(failure.integrity, undefined);
    assert.deepEqual(failure.attributes, failures[0]?.attributes);
  }
});

test('4. USERHASH stands for USERNAME, under the same canonical user', () => {
  const attributes = { userhash: userhash('alice', REALM), realm: REALM, nonce };
  assert.equal(accepted(send(auth, allocate(attributes, { algorithm: 'sha1', key: ALICE_MD5 }))).user, 'alice');
  const unknown = { ...attributes, userhash: new Uint8Array(32) };
  refused(send(auth, allocate(unknown, { algorithm: 'sha1', key: ALICE_MD5 })), 401, 'unknown-user');
});

test('4. expired credentials are 401, at the second of expiry they are still good', () => {
  const limited = authenticator({ secrets: ['north'] });
  const username = `${NOW / 1000 + 60}:alice`;
  const at = (now: number) => {
    const packet = oldAllocate(challenge(limited, CLIENT, now), username, restPassword(username, 'north'));
    return send(limited, packet, CLIENT, now);
  };
  assert.equal(accepted(at(NOW)).user, 'time-limited:alice');
  accepted(at(NOW + MINUTE));
  assertChallenge(refused(at(NOW + MINUTE + 1), 401, 'expired-credentials'));
});

test('4. huge, odd and empty usernames are 401, not exceptions', () => {
  const limited = authenticator({ users: { alice: 's3cret' }, secrets: ['north'], stampSecrets: ['east'] });
  const fresh = challenge(limited);
  for (const username of ['', ':', '5:\u0000', '1e9:x', '9'.repeat(500), `${2 ** 53}:x`, '𝟙:x', '\u0000']) {
    refused(send(limited, oldAllocate(fresh, username, 'x')), 401, 'unknown-user');
  }
});

test('6. the nonce of another client, of another node, or one bit off: 438 with a good one, signed', () => {
  const wrong = [
    challenge(auth, { ...CLIENT, port: 5001 }),
    challenge(auth, { ...CLIENT, address: '192.0.2.2' }),
    challenge(authenticator({ users: { alice: 's3cret' }, nonceKey: new Uint8Array(32) })),
    `${nonce.slice(0, -1)}${nonce.endsWith('A') ? 'B' : 'A'}`,
    'anything',
  ];
  for (const bad of wrong) {
    const failure = refused(send(auth, oldAllocate(bad)), 438, 'bad-nonce');
    assertChallenge(failure);
    assert.deepEqual(failure.integrity, { algorithm: 'sha1', key: ALICE_MD5 });
    accepted(send(auth, oldAllocate(failure.attributes.nonce ?? '')));
  }
});

test('6. an expired nonce: 438; with a wrong password 401 all the same', () => {
  const later = NOW + 10 * MINUTE + 1;
  assertChallenge(refused(send(auth, oldAllocate(nonce), CLIENT, later), 438, 'stale-nonce'));
  refused(send(auth, oldAllocate(nonce, 'alice', 'wrong'), CLIENT, later), 401, 'wrong-integrity');
  accepted(send(auth, oldAllocate(nonce), CLIENT, NOW + 10 * MINUTE));
});

test('6. a nonce from before a restart is still good, as the key is kept', () => {
  accepted(send(authenticator(), oldAllocate(nonce)));
});

test('a service may ask for a newer nonce', () => {
  const request = accepted(send(auth, oldAllocate(nonce)));
  const failure = auth.staleNonce(request, CLIENT, NOW + MINUTE);
  refused(failure, 438, 'stale-nonce');
  const renewed = accepted(send(auth, oldAllocate(failure.attributes.nonce ?? ''), CLIENT, NOW + MINUTE));
  assert.equal(renewed.nonceIssuedAt, NOW + MINUTE);
  assert.deepEqual(failure.integrity, request.integrity);
});

test('the signature that a reply gets is one that the client can verify', () => {
  const request = accepted(send(auth, oldAllocate(nonce)));
  const reply = allocate({}, request.integrity);
  const mac = { offset: reply.length - 24, mac: reply.subarray(-20) };
  assert.equal(verifyIntegrity(reply, mac, 'sha1', ALICE_MD5), true);
});

test('whatever a request claims, it gets an answer and no exception', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  const likely = fc.oneof(text, fc.constantFrom('alice', REALM, nonce, `${nonce}x`, `${NOW}:x`));
  const claim = fc.record({ username: likely, realm: likely, nonce: likely }, { requiredKeys: [] });
  fc.assert(
    fc.property(claim, fc.constantFrom('sha1', 'sha256'), (attributes, algorithm) => {
      const result = send(auth, allocate(attributes, { algorithm, key: new Uint8Array(16) }));
      assert.ok(!result.ok && (result.code === 400 || result.code === 401));
    }),
  );
});

function assertChallenge(failure: AuthFailure): void {
  assert.equal(failure.attributes.realm, REALM);
  assert.deepEqual(failure.attributes.passwordAlgorithms, PASSWORD_ALGORITHMS);
  assert.deepEqual(Object.keys(failure.attributes).sort(), ['nonce', 'passwordAlgorithms', 'realm']);
}
