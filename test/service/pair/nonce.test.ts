import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import { FLAG_CHALLENGE, FLAG_NONCE, nonceOf } from '../../../src/wire/pair/extension.ts';
import { decodeHandshake, encodeHandshake, keyOfHandshake } from '../../../src/wire/pair/handshake.ts';
import {
  A,
  B,
  bytes,
  C,
  GUID,
  GUID_2,
  Harness,
  handshake,
  KEY,
  nonceHandshake,
  OTHER_KEY,
  receivers,
  testConfig,
} from './harness.ts';

const offer = testConfig({ antiReplay: 'offer' });
const require = testConfig({ antiReplay: 'require' });

describe('the extension against replays', () => {
  test('who asks for a nonce gets one, not larger than the question, with a MAC', () => {
    const harness = new Harness(offer);
    const hello = nonceHandshake();
    const [answer] = harness.send(A, hello);
    assert.ok(answer);
    assert.equal(answer.to, endpointKey(A));
    assert.equal(answer.packet.length, hello.length);
    const decoded = decodeHandshake(answer.packet);
    assert.deepEqual(decoded, { ok: true, handshake: { guid: GUID, flags: FLAG_NONCE | FLAG_CHALLENGE } });
    assert.equal(keyOfHandshake(answer.packet, [KEY]), KEY);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0 }, 'asking leaves no state');
  });

  test('with their nonces two clients become a pair', () => {
    for (const config of [offer, require]) {
      const harness = new Harness(config);
      assert.deepEqual(harness.send(A, withNonce(harness, A)), []);
      const second = withNonce(harness, B);
      assert.deepEqual(harness.send(B, second), [{ to: endpointKey(A), packet: second, by: 'service' }]);
      assert.deepEqual(receivers(harness.send(A, bytes('x'))), [endpointKey(B)]);
    }
  });

  test('off: the flags mean nothing', () => {
    const harness = new Harness();
    assert.deepEqual(harness.send(A, nonceHandshake()), []);
    assert.equal(harness.send(B, nonceHandshake()).length, 1);
  });

  test('require: whoever does not ask is refused', () => {
    const harness = new Harness(require);
    harness.send(A, handshake());
    harness.send(A, encodeHandshake({ guid: GUID, flags: FLAG_NONCE }, KEY, new Uint8Array(23)));
    assert.equal(harness.drops('no-nonce'), 2);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 0 });
  });

  test('offer: others are served as before', () => {
    const harness = new Harness(offer);
    assert.equal(harness.pair().length, 1);
  });

  test('a recorded handshake is good for no other address, GUID or time', () => {
    const harness = new Harness(offer);
    const recorded = withNonce(harness, A);
    harness.send(C, recorded);
    harness.send({ ...A, port: 1001 }, recorded);
    assert.equal(harness.drops('stale-nonce'), 2);
    const nonce = nonceOf(recorded, FLAG_NONCE)?.slice();
    harness.send(A, nonceHandshake(nonce, GUID_2));
    assert.equal(harness.drops('stale-nonce'), 3);
    harness.pass(60_001);
    harness.send(A, recorded);
    assert.equal(harness.drops('stale-nonce'), 4);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 0 });
  });

  test('a nonce of another relay, or changed in one bit, is none; who sends it is given another', () => {
    const harness = new Harness(offer);
    const stranger = new Harness({ ...offer, nonceKey: new Uint8Array(32).fill(3) });
    const [answer] = harness.send(A, withNonce(stranger, A));
    assert.ok(answer);
    const nonce = nonceOf(answer.packet, FLAG_NONCE)?.slice() ?? new Uint8Array(24);
    for (const at of [0, 7, 8, 23]) {
      const changed = nonce.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.equal(harness.send(A, nonceHandshake(changed)).length, 1);
    }
    assert.equal(harness.drops('stale-nonce'), 5);
    harness.send(A, nonceHandshake(nonce));
    assert.equal(harness.counts.halfOpen, 1);
  });

  test('our own answer sent back counts for nothing, although it carries a nonce', () => {
    const harness = new Harness(offer);
    const [answer] = harness.send(A, nonceHandshake());
    assert.ok(answer);
    assert.deepEqual(harness.send(A, answer.packet), []);
    assert.equal(harness.drops('bounced-challenge'), 1);
  });

  test('who does not know the key gets no answer', () => {
    const harness = new Harness(require);
    assert.deepEqual(harness.send(A, nonceHandshake(undefined, GUID, OTHER_KEY)), []);
    assert.equal(harness.drops('wrong-mac'), 1);
  });
});

describe('a proven address', () => {
  test('may have a silent seat from anywhere', () => {
    const harness = new Harness(offer);
    harness.send(A, withNonce(harness, A));
    harness.send(B, withNonce(harness, B));
    for (let second = 0; second < 5; second++) {
      harness.send(B, bytes('busy'));
      assert.deepEqual(harness.send(C, withNonce(harness, C)), [], 'not while it lives');
      harness.pass(1_000);
    }
    const request = withNonce(harness, C);
    assert.deepEqual(receivers(harness.send(C, request)), [endpointKey(B)]);
    assert.deepEqual(receivers(harness.send(B, bytes('x'))), [endpointKey(C)]);
  });

  test('loses its seat to no handshake without a proof, not even from the same host', () => {
    const harness = new Harness(offer);
    harness.send(A, withNonce(harness, A));
    harness.send(B, withNonce(harness, B));
    harness.pass(10_000);
    assert.deepEqual(harness.send({ ...A, port: 5 }, handshake()), []);
    assert.equal(harness.drops('third-party'), 1);
  });

  test('may leave a living pair at once', () => {
    const harness = new Harness(offer);
    harness.pair();
    harness.send(A, withNonce(harness, A, GUID_2));
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 1 });
    assert.equal(harness.drops('source-busy'), 0);
  });

  test('is one from the repeat that proves it', () => {
    const harness = new Harness(offer);
    harness.send(A, handshake());
    harness.send(A, withNonce(harness, A));
    harness.send(B, handshake());
    harness.pass(10_000);
    assert.deepEqual(harness.send({ ...A, port: 5 }, handshake()), []);
  });
});

/** The handshake of a client that asked for a nonce first. */
function withNonce(harness: Harness, from: Endpoint, guid = GUID): Uint8Array {
  const [answer] = harness.send(from, nonceHandshake(undefined, guid));
  const nonce = answer && nonceOf(answer.packet, FLAG_NONCE);
  assert.ok(nonce);
  return nonceHandshake(nonce.slice(), guid);
}
