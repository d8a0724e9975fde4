import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { open, seal } from '../../../src/wire/wireguard/aead.ts';
import { mac1Key, sign } from '../../../src/wire/wireguard/mac.ts';
import { decodeWireguard, encodeWireguard, type Initiation } from '../../../src/wire/wireguard/message.ts';
import { readStatic, readTimestamp, respond } from '../../../src/wire/wireguard/noise.ts';
import { agree, keyPairOf } from '../../../src/wire/wireguard/x25519.ts';
import { seededRandom } from '../../service/seeded.ts';
import { Initiator, publicOf } from './initiator.ts';

const NOTHING = new Uint8Array();
const random = seededRandom('noise');
const own = keyPairOf(new Uint8Array(random(32)));

describe('the responder', () => {
  test('and an initiator of another hand come to the same keys', () => {
    const initiator = new Initiator(random(32), own.publicKey, random);
    const message = initiationOf(initiator.initiate(7));
    const claim = readStatic(own, message);
    assert.ok(claim !== undefined);
    assert.deepEqual(Buffer.from(claim.publicKey), initiator.publicKey);
    const peer = readTimestamp(claim, agree(own.secret, claim.publicKey) ?? new Uint8Array(32), message);
    assert.ok(peer !== undefined);
    assert.equal(Buffer.from(peer.timestamp).readBigUInt64BE(), 0x4000000000000001n);
    const answer = respond(peer, keyPairOf(new Uint8Array(random(32))), message);
    assert.ok(answer !== undefined);
    const macs = { mac1: new Uint8Array(16), mac2: new Uint8Array(16) };
    const response = encodeWireguard({ type: 'response', sender: 9, receiver: 7, ...answer, ...macs });
    assert.ok(initiator.takeResponse(sign(response, mac1Key(initiator.publicKey))));
    assert.equal(textOf(open(answer.receive, 0n, initiator.data('hello').subarray(16), NOTHING)), 'hello');
    const ciphertext = seal(answer.send, 5n, Buffer.from('hello too'), NOTHING);
    const data = encodeWireguard({ type: 'data', receiver: 7, counter: 5n, ciphertext });
    assert.equal(initiator.read(data), 'hello too');
  });

  test('reads nothing of what is changed, or for another key', () => {
    const initiator = new Initiator(random(32), own.publicKey, random);
    const good = initiator.initiate(7);
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 115 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ flip;
        // The top bit of an X25519 key is ignored (RFC 7748 §5), but the transcript has it.
        const claim = readStatic(own, initiationOf(bad));
        if (claim === undefined) return;
        const shared = agree(own.secret, claim.publicKey) ?? new Uint8Array(32);
        assert.equal(readTimestamp(claim, shared, initiationOf(bad)), undefined);
      }),
      { numRuns: 200 },
    );
    assert.equal(readStatic(keyPairOf(new Uint8Array(random(32))), initiationOf(good)), undefined);
  });

  test('refuses keys of small order', () => {
    for (const bytes of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
      assert.equal(agree(own.secret, bytes), undefined);
      const message = initiationOf(new Initiator(random(32), own.publicKey, random).initiate(7));
      assert.equal(readStatic(own, { ...message, ephemeral: bytes }), undefined);
    }
  });
});

test('a key pair has the public key of its private key', () => {
  for (let round = 0; round < 20; round++) {
    const privateKey = new Uint8Array(random(32));
    assert.deepEqual(Buffer.from(keyPairOf(privateKey).publicKey), publicOf(privateKey));
  }
});

test('what is sealed opens, and nothing else does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (plain, counter) => {
      const key = new Uint8Array(random(32));
      const sealed = seal(key, counter, plain, NOTHING);
      assert.deepEqual(open(key, counter, sealed, NOTHING), plain);
      assert.equal(open(key, counter ^ 1n, sealed, NOTHING), undefined);
    }),
  );
});

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString();
}

function initiationOf(packet: Uint8Array): Initiation {
  const message = decodeWireguard(packet);
  assert.ok(typeof message !== 'string' && message.type === 'initiation');
  return message;
}
