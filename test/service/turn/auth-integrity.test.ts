import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { firezonePassword, restPassword } from '../../../src/service/turn/time-limited.ts';
import { decodeMessage } from '../../../src/wire/stun/codec.ts';
import { accepted, authenticator, challenge, key, NOW, oldAllocate, REALM, refused, send } from './auth-client.ts';

const USERNAME = 0x0006;
const REALM_TYPE = 0x0014;
const NONCE = 0x0015;
const MI = 0x0008;
const MI_SHA256 = 0x001c;

const auth = authenticator();
const nonce = challenge(auth);
const alice = key('md5', 'alice', 's3cret');
const bob = key('md5', 'bob', 'hunter2');
const claims: readonly Attribute[] = [
  [USERNAME, 'alice'],
  [REALM_TYPE, REALM],
  [NONCE, nonce],
];

test('attributes behind the integrity do not count', () => {
  const packet = raw([...claims, mi(alice), [USERNAME, 'bob'], [REALM_TYPE, 'other'], [NONCE, 'other']]);
  assert.equal(accepted(send(auth, packet)).user, 'alice');
  // What is only there behind it is not there at all.
  refused(
    send(auth, raw([[REALM_TYPE, REALM], [NONCE, nonce], mi(alice), [USERNAME, 'alice']])),
    400,
    'incomplete-credentials',
  );
});

test('of two USERNAMEs the first counts', () => {
  assert.equal(accepted(send(auth, raw([...claims, [USERNAME, 'bob'], mi(alice)]))).user, 'alice');
  refused(send(auth, raw([...claims, [USERNAME, 'bob'], mi(bob)])), 401, 'wrong-integrity');
});

test('of two MESSAGE-INTEGRITYs the first counts', () => {
  accepted(send(auth, raw([...claims, mi(alice), mi(bob)])));
  refused(send(auth, raw([...claims, mi(bob), mi(alice)])), 401, 'wrong-integrity');
});

test('where both kinds are there, MESSAGE-INTEGRITY-SHA256 alone decides', () => {
  accepted(send(auth, raw([...claims, mi(alice), miSha256(alice)])));
  accepted(send(auth, raw([...claims, mi(bob), miSha256(alice)])));
  refused(send(auth, raw([...claims, mi(alice), miSha256(bob)])), 401, 'wrong-integrity');
});

test('a truncated MESSAGE-INTEGRITY-SHA256 does not do, for TURN allows none (RFC 8489 §14.6)', () => {
  for (const length of [16, 28]) refused(send(auth, raw([...claims, miSha256(alice, length)])), 401, 'wrong-integrity');
  accepted(send(auth, raw([...claims, miSha256(alice, 32)])));
});

test('integrity of the wrong size never gets here', () => {
  for (const length of [0, 4, 16, 24]) {
    assert.equal(decodeMessage(raw([...claims, [MI, Buffer.alloc(length)]])).ok, false);
  }
});

test('a username of more than 763 bytes never gets here; shorter ones are parsed, as RFC 8489 §14.3 wants', () => {
  const others = claims.slice(1);
  assert.equal(decodeMessage(raw([[USERNAME, 'x'.repeat(764)], ...others, mi(alice)])).ok, false);
  for (const length of [508, 513, 763]) {
    refused(send(auth, raw([[USERNAME, 'x'.repeat(length)], ...others, mi(alice)])), 401, 'unknown-user');
  }
});

test('every changed bit of a signed request is noticed', () => {
  const packet = oldAllocate(nonce);
  for (let at = 0; at < packet.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const forged = Buffer.from(packet);
      forged[at] = (forged[at] ?? 0) ^ (1 << bit);
      const decoded = decodeMessage(forged);
      if (!decoded.ok) continue;
      const result = send(auth, forged);
      assert.equal(result.ok, false, `byte ${at} bit ${bit}`);
    }
  }
});

test('time-limited credentials of all forms authenticate, and their user is the name without its expiry', () => {
  const expiry = String(NOW / 1000 + 60);
  const mixed = authenticator({ users: { alice: 's3cret' }, secrets: ['old', 'new'], stampSecrets: ['stamp'] });
  const fresh = challenge(mixed);
  const username = `${expiry}:alice`;
  const passwords = [
    restPassword(username, 'old'),
    restPassword(username, 'new'),
    firezonePassword(expiry, 'stamp', 'alice'),
  ];
  for (const password of passwords) {
    assert.equal(accepted(send(mixed, oldAllocate(fresh, username, password))).user, 'time-limited:alice');
  }
  accepted(send(mixed, oldAllocate(fresh)));
  refused(send(mixed, oldAllocate(fresh, username, restPassword(username, 'other'))), 401, 'wrong-integrity');
  // A password made for one expiry does not serve a later one.
  const later = `${NOW / 1000 + 3600}:alice`;
  refused(send(mixed, oldAllocate(fresh, later, restPassword(username, 'new'))), 401, 'wrong-integrity');
});

type Attribute = readonly [type: number, value: string | Buffer | Signature];
/** Made when all before it stands: the HMAC of the message so far. */
type Signature = (message: Buffer) => Buffer;

function mi(secret: Uint8Array): Attribute {
  return [MI, (message) => hmac('sha1', secret, message, 20)];
}

function miSha256(secret: Uint8Array, length = 32): Attribute {
  return [MI_SHA256, (message) => hmac('sha256', secret, message, length)];
}

/** RFC 8489 §14.5 and 14.6: over the message as if it ended with this attribute. */
function hmac(algorithm: string, secret: Uint8Array, message: Buffer, length: number): Buffer {
  const adjusted = Buffer.from(message);
  adjusted.writeUInt16BE(message.length + 4 + length - 20, 2);
  return createHmac(algorithm, secret).update(adjusted).digest().subarray(0, length);
}

/** An Allocate by hand, for what the encoder rightly does not write. */
function raw(attributes: readonly Attribute[]): Buffer {
  let message: Buffer = Buffer.concat([Buffer.from('000300002112a442', 'hex'), Buffer.alloc(12, 1)]);
  for (const [type, value] of attributes) {
    const bytes = typeof value === 'function' ? value(message) : Buffer.from(value);
    const header = Buffer.alloc(4);
    header.writeUInt16BE(type, 0);
    header.writeUInt16BE(bytes.length, 2);
    message = Buffer.concat([message, header, bytes, Buffer.alloc(-bytes.length & 3)]);
  }
  message.writeUInt16BE(message.length - 20, 2);
  return message;
}
