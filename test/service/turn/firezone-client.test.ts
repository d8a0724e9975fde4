import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firezonePassword } from '../../../src/service/turn/time-limited.ts';

import { encodeMessage, verifyIntegrity } from '../../../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE, METHOD_REFRESH, type StunAttributes } from '../../../src/wire/stun/message.ts';
import { codeOf, Harness, mustDecode, PEER, REALM, START, type TestClient, testConfig, UDP } from './harness.ts';

const STAMP = '1cab293a-4032-46f4-862a-40e5d174b0d2';
const SALT = 'uvdgKvS9GXYZ_vmv';

test('Firezone’s client: signs before it has a nonce, and comes back with a renewed credential', () => {
  const harness = new Harness(testConfig({ credentials: { users: new Map(), secrets: [], stampSecrets: [STAMP] } }));
  const [first, renewed] = [60, 3600]
    .map((seconds) => START / 1000 + seconds)
    .map((expiry) => {
      const password = firezonePassword(String(expiry), STAMP, SALT);
      return harness.udpClient('203.0.113.9:4000', `${expiry}:${SALT}`, password);
    });
  assert.ok(first && renewed);
  const nonce = firstNonce(first);
  assert.equal(codeOf(ask(first, METHOD_ALLOCATE, { ...DUAL, nonce })), 'success');
  // It has a new credential and knows nothing of its old allocation: 437, so it deletes that one and makes another.
  const next = firstNonce(renewed);
  assert.equal(codeOf(ask(renewed, METHOD_ALLOCATE, { ...DUAL, nonce: next })), 437);
  assert.equal(ask(renewed, METHOD_REFRESH, { ...DUAL, lifetime: 0, nonce: next }).attributes.lifetime, 0);
  assert.equal(ask(renewed, METHOD_ALLOCATE, { ...DUAL, nonce: next }).attributes.xorRelayedAddresses?.length, 2);
});

test('where Firezone’s clients are served, a channel’s permission lasts as long as the channel; elsewhere five minutes', () => {
  for (const [stampSecrets, flows] of [
    [[STAMP], 2],
    [[], 0],
  ] as const) {
    const users = new Map([['alice', 'wonderland']]);
    const harness = new Harness(testConfig({ credentials: { users, secrets: [], stampSecrets } }));
    const client = harness.udpClient('203.0.113.9:4000');
    client.mustAllocate();
    assert.equal(codeOf(client.bind(0x4000, PEER)), 'success');
    harness.pass(301_000);
    assert.equal(harness.flows.size, flows);
    harness.pass(300_000);
    assert.equal(harness.flows.size, 0);
  }
});

/** Its Allocate and its Refresh carry the same. */
const DUAL: StunAttributes = { requestedTransport: UDP, additionalAddressFamily: 2, software: 'snownet' };

function firstNonce(client: TestClient): string {
  const answer = ask(client, METHOD_ALLOCATE, DUAL);
  assert.equal(codeOf(answer), 401);
  assert.ok(answer.attributes.nonce);
  return answer.attributes.nonce;
}

/** Believes no answer without a good MESSAGE-INTEGRITY. */
function ask(client: TestClient, method: number, attributes: StunAttributes) {
  const integrity = { algorithm: 'sha1', key: client.key() } as const;
  const transactionId = new Uint8Array(12).fill(++transactions);
  const all = { ...attributes, username: client.user, realm: REALM };
  const request = { class: 'request', method, transactionId, attributes: all } as const;
  const [packet] = client.packetsIn(client.raw(encodeMessage(request, { integrity })));
  assert.ok(packet);
  const answer = mustDecode(packet);
  assert.ok(answer.messageIntegrity && verifyIntegrity(packet, answer.messageIntegrity, 'sha1', client.key()));
  return answer;
}

let transactions = 0;
