import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { MINUTE, SECOND } from '../../../src/net/time.ts';
import {
  FEATURE_PASSWORD_ALGORITHMS,
  FEATURE_USERNAME_ANONYMITY,
  NonceMint,
  nonceFeatures,
} from '../../../src/service/turn/nonce.ts';

const NOW = 1_800_000_000_000;
const KEY = new Uint8Array(32).fill(7);
const CLIENT: Endpoint = { family: 4, address: '192.0.2.1', port: 5000 };
const FEATURES = FEATURE_PASSWORD_ALGORITHMS | FEATURE_USERNAME_ANONYMITY;

const mint = new NonceMint(KEY, 10 * MINUTE);
const nonce = mint.issue(CLIENT, FEATURES, NOW);

test('starts with the nonce cookie of RFC 8489 §9.2 and the features of §18.1, leftmost bit first', () => {
  assert.match(nonce, /^obMatJos2wAAA[A-Za-z0-9+/]{24}$/);
  assert.match(mint.issue(CLIENT, FEATURE_PASSWORD_ALGORITHMS, NOW), /^obMatJos2gAAA/);
  assert.match(mint.issue(CLIENT, 0, NOW), /^obMatJos2AAAA/);
  assert.equal(nonceFeatures(nonce), FEATURES);
  // The nonce of RFC 8489 appendix B.1.
  assert.equal(nonceFeatures('obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA'), 0x000002);
  for (const other of ['', 'obMatJos2', 'obMatJos2AA', 'obmatjos2gAAAxx', 'f//499k954d6OL34oL9FSTvy64sA']) {
    assert.equal(nonceFeatures(other), undefined);
  }
});

test('is fresh through its lifetime and stale after', () => {
  assert.deepEqual(mint.verify(nonce, CLIENT, NOW), { kind: 'fresh', issuedAt: NOW });
  assert.deepEqual(mint.verify(nonce, CLIENT, NOW + 10 * MINUTE), { kind: 'fresh', issuedAt: NOW });
  assert.deepEqual(mint.verify(nonce, CLIENT, NOW + 10 * MINUTE + 1), { kind: 'stale' });
});

test('bears a clock that steps back a little; one from the future is stale', () => {
  assert.equal(mint.verify(nonce, CLIENT, NOW - 5 * SECOND).kind, 'fresh');
  assert.equal(mint.verify(nonce, CLIENT, NOW - 5 * SECOND - 1).kind, 'stale');
});

test('is bad for another client, be it the port only, and for another node', () => {
  for (const other of [
    { ...CLIENT, port: 5001 },
    { ...CLIENT, address: '192.0.2.2' },
    { family: 6, address: '::ffff:c000:201', port: 5000 } as const,
  ]) {
    assert.equal(mint.verify(nonce, other, NOW).kind, 'bad');
  }
  const otherNode = new NonceMint(new Uint8Array(32).fill(8), 10 * MINUTE);
  assert.equal(otherNode.verify(nonce, CLIENT, NOW).kind, 'bad');
});

test('differs between clients in the same millisecond (RFC 8489 §9.2.4)', () => {
  assert.notEqual(mint.issue({ ...CLIENT, port: 5001 }, FEATURES, NOW), nonce);
});

test('outlives a restart with the same key', () => {
  assert.equal(new NonceMint(KEY, 10 * MINUTE).verify(nonce, CLIENT, NOW).kind, 'fresh');
});

test('one bit off is bad, at every place', () => {
  for (let at = 0; at < nonce.length; at++) {
    for (let bit = 0; bit < 7; bit++) {
      const forged = nonce.slice(0, at) + String.fromCharCode(nonce.charCodeAt(at) ^ (1 << bit)) + nonce.slice(at + 1);
      assert.equal(mint.verify(forged, CLIENT, NOW).kind, 'bad', forged);
    }
  }
});

test('any text that is not a nonce is bad', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', minLength: 37, maxLength: 37 })), (text) => {
      assert.equal(mint.verify(text, CLIENT, NOW).kind, 'bad');
      assert.equal(mint.verify(nonce.slice(0, 13) + text, CLIENT, NOW).kind, 'bad');
    }),
  );
  for (const text of [`${nonce}A`, nonce.slice(0, -1), `${nonce.slice(0, -1)}é`, nonce.toLowerCase()]) {
    assert.equal(mint.verify(text, CLIENT, NOW).kind, 'bad');
  }
});

test('is the same nonce whether the mint remembers it or has its MAC to go by', () => {
  const clients = Array.from({ length: 2000 }, (_, n): Endpoint => ({ ...CLIENT, port: 1000 + n }));
  const issued = clients.map((client, n) => ({ client, at: NOW + n, nonce: mint.issue(client, FEATURES, NOW + n) }));
  // Most of them have been forgotten by now; asked for twice, none is.
  for (const { client, at, nonce } of issued) {
    for (let times = 0; times < 2; times++) {
      assert.deepEqual(mint.verify(nonce, client, NOW + 2000), { kind: 'fresh', issuedAt: at });
      assert.equal(mint.verify(nonce, { ...client, address: '192.0.2.2' }, NOW + 2000).kind, 'bad');
      assert.equal(mint.verify(nonce, { ...client, port: client.port + 512 }, NOW + 2000).kind, 'bad');
      assert.equal(mint.verify(`${nonce.slice(0, -1)}~`, client, NOW + 2000).kind, 'bad');
    }
    assert.equal(mint.verify(nonce, client, NOW + 20 * MINUTE).kind, 'stale');
  }
});
