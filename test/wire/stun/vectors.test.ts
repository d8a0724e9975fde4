import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { hmac } from '../../../src/wire/hmac.ts';
import {
  decodeMessage,
  encodeMessage,
  type IntegrityAlgorithm,
  verifyIntegrity,
} from '../../../src/wire/stun/codec.ts';
import { METHOD_BINDING, type StunMessage } from '../../../src/wire/stun/message.ts';
import { decoded, hex } from './helpers.ts';
import { vector } from './vectors.ts';

const SHORT_TERM_KEY = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt');
const LONG_TERM = 'マトリックス:example.org:TheMatrIX';

describe('RFC 5769', () => {
  test('2.1 request, with ICE attributes that are unknown here', () => {
    const packet = vector('rfc5769.txt', '2.1');
    const message = decoded(packet);
    assert.equal(message.class, 'request');
    assert.equal(message.method, METHOD_BINDING);
    assert.equal(hex(message.transactionId), 'b7e7a701bc34d686fa87dfae');
    assert.deepEqual(message.attributes, { software: 'STUN test client', username: 'evtj:h6vY' });
    // PRIORITY is comprehension-required, ICE-CONTROLLED is not.
    assert.deepEqual(message.unknownRequired, [0x0024]);
    assert.equal(message.hasFingerprint, true);
    assertIntegrity(packet, 'sha1', SHORT_TERM_KEY);
  });

  test('2.2 response with an IPv4 address', () => {
    const packet = vector('rfc5769.txt', '2.2');
    const message = decoded(packet);
    assert.equal(message.class, 'success');
    assert.deepEqual(message.attributes, {
      software: 'test vector',
      xorMappedAddress: { family: 4, address: '192.0.2.1', port: 32_853 },
    });
    assertIntegrity(packet, 'sha1', SHORT_TERM_KEY);
  });

  test('2.3 response with an IPv6 address', () => {
    const packet = vector('rfc5769.txt', '2.3');
    assert.deepEqual(decoded(packet).attributes, {
      software: 'test vector',
      xorMappedAddress: { family: 6, address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 },
    });
    assertIntegrity(packet, 'sha1', SHORT_TERM_KEY);
  });

  test('2.4 request with long-term authentication', () => {
    const packet = vector('rfc5769.txt', '2.4');
    const message = decoded(packet);
    assert.deepEqual(message.attributes, {
      username: 'マトリックス',
      nonce: 'f//499k954d6OL34oL9FSTvy64sA',
      realm: 'example.org',
    });
    assert.equal(message.hasFingerprint, false);
    const key = createHash('md5').update(LONG_TERM).digest();
    assertIntegrity(packet, 'sha1', key);
    assert.equal(hex(encodeMessage(message, { integrity: { algorithm: 'sha1', key } })), hex(packet));
  });

  test('responses come out of the encoder but for their padding of spaces', () => {
    for (const section of ['2.2', '2.3']) {
      const packet = vector('rfc5769.txt', section);
      const { class: messageClass, method, transactionId, attributes } = decoded(packet);
      const message: StunMessage = { class: messageClass, method, transactionId, attributes };
      const again = encodeMessage(message, {
        integrity: { algorithm: 'sha1', key: SHORT_TERM_KEY },
        fingerprint: true,
      });
      assert.equal(again.length, packet.length);
      assert.equal(packet[0x23], 0x20);
      assert.equal(again[0x23], 0);
      const beforeIntegrity = packet.length - 8 - 24;
      assert.equal(hex(again.subarray(0x24, beforeIntegrity)), hex(packet.subarray(0x24, beforeIntegrity)));
      assertIntegrity(again, 'sha1', SHORT_TERM_KEY);
    }
  });
});

describe('RFC 8489 appendix B', () => {
  const key = createHash('sha256').update(LONG_TERM).digest();

  test('request with USERHASH and MESSAGE-INTEGRITY-SHA256, by erratum 6268', () => {
    const packet = vector('rfc8489.txt', 'E.6268');
    const message = decoded(packet);
    assert.deepEqual(message.attributes, {
      userhash: new Uint8Array(createHash('sha256').update('マトリックス:example.org').digest()),
      nonce: 'obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA',
      realm: 'example.org',
      passwordAlgorithm: { algorithm: 2, parameters: new Uint8Array(0) },
    });
    assert.equal(message.messageIntegrity, undefined);
    assertIntegrity(packet, 'sha256', key);
    assert.equal(hex(encodeMessage(message, { integrity: { algorithm: 'sha256', key } })), hex(packet));
  });

  test('as printed, the length is wrong and the MAC is made with it', () => {
    const packet = vector('rfc8489.txt', 'B.1');
    assert.deepEqual(decodeMessage(packet), { ok: false, fault: 'bad-length', request: undefined });
    assert.equal(hex(hmac('sha256', key, packet.subarray(0, -36))), hex(packet.subarray(-32)));
  });
});

function assertIntegrity(packet: Uint8Array, algorithm: IntegrityAlgorithm, key: Uint8Array): void {
  const before = hex(packet);
  const message = decoded(packet);
  const attribute = algorithm === 'sha1' ? message.messageIntegrity : message.messageIntegritySha256;
  assert.ok(attribute);
  assert.equal(verifyIntegrity(packet, attribute, algorithm, key), true);
  const wrong = Uint8Array.from(key, (byte, index) => (index === 0 ? byte ^ 1 : byte));
  assert.equal(verifyIntegrity(packet, attribute, algorithm, wrong), false);
  assert.equal(hex(packet), before, 'the packet is as it was');
}
