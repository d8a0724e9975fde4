import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeMessage, StunEncodeError, verifyIntegrity } from '../../../src/wire/stun/codec.ts';
import type { StunAttributes, StunHeader } from '../../../src/wire/stun/message.ts';
import { attributeArbitraries, encodeOptions, endpoint, header, message } from './arbitraries.ts';
import { attribute, decoded, hex, packet, TRANSACTION_ID } from './helpers.ts';

describe('round trip', () => {
  for (const [key, arbitrary] of Object.entries(attributeArbitraries)) {
    if (key.startsWith('xorRelayedAddress')) continue;
    test(key, () => {
      fc.assert(
        fc.property(header, arbitrary as fc.Arbitrary<unknown>, (head, value) => {
          const attributes = { [key]: value } as StunAttributes;
          const result = decoded(encodeMessage({ ...head, attributes }));
          assert.deepEqual(plain(result.attributes), plain(attributes));
          assert.deepEqual(result.unknownRequired, []);
        }),
      );
    });
  }

  test('XOR-RELAYED-ADDRESS: one or several', () => {
    fc.assert(
      fc.property(header, fc.array(endpoint, { minLength: 1, maxLength: 3 }), (head, list) => {
        const [first] = list;
        assert.ok(first);
        const all = encodeMessage({ ...head, attributes: { xorRelayedAddress: first, xorRelayedAddresses: list } });
        assert.deepEqual(decoded(all).attributes, { xorRelayedAddress: first, xorRelayedAddresses: list });
        const one = encodeMessage({ ...head, attributes: { xorRelayedAddress: first } });
        assert.deepEqual(decoded(one).attributes, { xorRelayedAddress: first, xorRelayedAddresses: [first] });
      }),
    );
  });

  test('whole messages, with and without integrity and fingerprint', () => {
    fc.assert(
      fc.property(message, encodeOptions, (value, options) => {
        const bytes = encodeMessage(value, options);
        assert.equal(bytes.length % 4, 0);
        const result = decoded(bytes);
        const { class: messageClass, method, transactionId, attributes } = result;
        assert.deepEqual({ class: messageClass, method, transactionId, attributes: plain(attributes) }, plain(value));
        assert.equal(result.hasFingerprint, options.fingerprint === true);
        const sha1 = options.integrity?.algorithm === 'sha1';
        const present = sha1 ? result.messageIntegrity : result.messageIntegritySha256;
        const absent = sha1 ? result.messageIntegritySha256 : result.messageIntegrity;
        assert.equal(absent, undefined);
        assert.equal(present !== undefined, options.integrity !== undefined);
        if (present !== undefined && options.integrity !== undefined) {
          const { algorithm, key } = options.integrity;
          assert.equal(verifyIntegrity(bytes, present, algorithm, key), true);
          assert.equal(verifyIntegrity(bytes, present, algorithm, Uint8Array.of(...key, 1)), false);
        }
        assert.equal(hex(encodeMessage(result, options)), hex(bytes), 'the same bytes again');
      }),
      { numRuns: 300 },
    );
  });

  test('the MAC is HMAC as node:crypto makes it, with the length up to the attribute', () => {
    fc.assert(
      fc.property(message, fc.uint8Array({ maxLength: 80 }), (value, key) => {
        const bytes = Buffer.from(encodeMessage(value, { integrity: { algorithm: 'sha1', key } }));
        const mac = createHmac('sha1', key).update(bytes.subarray(0, -24)).digest();
        assert.equal(hex(bytes.subarray(-20)), hex(mac));
      }),
    );
  });
});

describe('decoding', () => {
  const username = (name: string) => attribute(0x0006, name);
  const key = Buffer.from('key');

  test('the first of duplicates wins, even if a later one is broken', () => {
    const bytes = packet([username('first'), username('second'), attribute(0x0006, Buffer.of(0xff))]);
    assert.deepEqual(decoded(bytes).attributes, { username: 'first' });
  });

  test('unknown types: required ones are listed once and in order, optional ones ignored', () => {
    const types = [0x7fff, 0x0024, 0x8029, 0x7fff, 0x002a, 0xffff, 0x0025, 0x0024, 0x0000];
    const bytes = packet(types.map((type) => attribute(type, 'x')));
    assert.deepEqual(decoded(bytes).unknownRequired, [0x7fff, 0x0024, 0x002a, 0x0025, 0x0000]);
  });

  test('16,000 unknown types take no quadratic time', () => {
    const bytes = packet(Array.from({ length: 16_000 }, (_, index) => attribute(0x0100 + index, '')));
    assert.equal(decoded(bytes).unknownRequired.length, 16_000);
  });

  test('behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT count', () => {
    const signed = encodeMessage(
      { ...head, attributes: { username: 'alice' } },
      { integrity: { algorithm: 'sha1', key } },
    );
    const tail = [
      attribute(0x0014, 'evil.example'),
      attribute(0x7f00, 'unknown'),
      attribute(0x0008, new Uint8Array(20)),
      attribute(0x001c, new Uint8Array(32).fill(7)),
      attribute(0x0015, 'evil'),
      attribute(0x001c, new Uint8Array(16)),
      attribute(0x0008, new Uint8Array(3)),
      attribute(0x000d, 'wrong length, and nobody looks'),
    ];
    const bytes = Buffer.concat([signed, ...tail]);
    bytes.writeUInt16BE(bytes.length - 20, 2);
    const message = decoded(bytes);
    assert.deepEqual(message.attributes, { username: 'alice' });
    assert.deepEqual(message.unknownRequired, []);
    assert.equal(message.messageIntegritySha256?.mac.length, 32);
    assert.ok(message.messageIntegrity);
    assert.equal(verifyIntegrity(bytes, message.messageIntegrity, 'sha1', key), true);
  });

  test('behind MESSAGE-INTEGRITY-SHA256 a MESSAGE-INTEGRITY does not count', () => {
    const bytes = packet([attribute(0x001c, new Uint8Array(32)), attribute(0x0008, new Uint8Array(20)), username('x')]);
    const message = decoded(bytes);
    assert.equal(message.messageIntegrity, undefined);
    assert.deepEqual(message.attributes, {});
    assert.deepEqual(message.messageIntegritySha256?.offset, 20);
  });

  test('MESSAGE-INTEGRITY-SHA256 may be cut to 16 bytes, in steps of 4', () => {
    const full = encodeMessage({ ...head, attributes: {} }, { integrity: { algorithm: 'sha256', key } });
    for (const length of [16, 20, 24, 28, 32]) {
      const start = Buffer.from(full.subarray(0, 20));
      start.writeUInt16BE(4 + length, 2);
      const mac = createHmac('sha256', key).update(start).digest().subarray(0, length);
      const bytes = Buffer.concat([start, attribute(0x001c, mac)]);
      const { messageIntegritySha256 } = decoded(bytes);
      assert.ok(messageIntegritySha256);
      assert.equal(verifyIntegrity(bytes, messageIntegritySha256, 'sha256', key), true);
      assert.equal(verifyIntegrity(bytes, messageIntegritySha256, 'sha256', Buffer.from('other')), false);
      // A SHA-256 attribute is no SHA-1 attribute, whatever its length.
      assert.equal(verifyIntegrity(bytes, messageIntegritySha256, 'sha1', key), false);
    }
  });

  test('padding of any value, reserved bits of any value', () => {
    const bytes = packet([
      attribute(0x0006, 'alice', 0xff),
      attribute(0x0018, Buffer.of(0xff), 0xaa),
      attribute(0x000c, Buffer.of(0x40, 0x01, 0xff, 0xff)),
      attribute(0x0019, Buffer.of(17, 0xff, 0xff, 0xff)),
      attribute(0x0001, Buffer.of(0xff, 1, 0, 80, 192, 0, 2, 1)),
      attribute(0x0009, Buffer.from([0xff, 0xff, 0xfc, 20, 0x6f])),
    ]);
    assert.deepEqual(decoded(bytes).attributes, {
      username: 'alice',
      evenPort: { reserveNext: true },
      channelNumber: 0x4001,
      requestedTransport: 17,
      mappedAddress: { family: 4, address: '192.0.2.1', port: 80 },
      errorCode: { code: 420, reason: 'o' },
    });
  });

  test("the draft's numbers for dual allocation, as coturn's client sends them", () => {
    const family = attribute(0x8032, Buffer.of(2, 0, 0, 0));
    const error = attribute(0x8033, Buffer.of(2, 0, 4, 40));
    assert.deepEqual(decoded(packet([family, error])).attributes, {
      additionalAddressFamily: 2,
      addressErrorCode: { family: 2, code: 440, reason: '' },
    });
    const rfc = encodeMessage({ ...head, attributes: { additionalAddressFamily: 2 } });
    assert.equal(hex(rfc.subarray(20)), '8000000402000000');
  });

  test('what is optional and malformed is passed over (RFC 8489 §14)', () => {
    for (const [name, type, value] of [
      ['SOFTWARE in Latin-1', 0x8022, Buffer.of(0xe9)],
      ['SOFTWARE of 764 bytes', 0x8022, 'x'.repeat(764)],
      ['ALTERNATE-DOMAIN empty', 0x8003, ''],
      ['ALTERNATE-DOMAIN of 256 bytes', 0x8003, 'x'.repeat(256)],
      ['ALTERNATE-DOMAIN beyond ASCII', 0x8003, 'bücher.example'],
      ['ALTERNATE-SERVER of 2 bytes', 0x8023, Buffer.of(0, 1)],
      ['PASSWORD-ALGORITHMS with two bytes more', 0x8002, Buffer.of(0, 1, 0, 0, 0, 2)],
      ['PASSWORD-ALGORITHMS with parameters of 65,535', 0x8002, Buffer.of(0, 1, 0xff, 0xff)],
      ['ADDITIONAL-ADDRESS-FAMILY of 5 bytes', 0x8000, new Uint8Array(5)],
      ['ADDRESS-ERROR-CODE of class 0', 0x8001, Buffer.of(2, 0, 0, 0)],
      ['ICMP of 4 bytes', 0x8004, new Uint8Array(4)],
    ] as const) {
      const { attributes } = decoded(packet([attribute(type, value), attribute(0x0006, 'alice')]));
      assert.deepEqual(attributes, { username: 'alice' }, name);
    }
  });

  test('texts at their limits; a byte order mark stays', () => {
    for (const [type, key, bytes] of [
      [0x0006, 'username', 763],
      [0x0014, 'realm', 763],
      [0x0015, 'nonce', 763],
      [0x8022, 'software', 763],
    ] as const) {
      assert.equal(decoded(packet([attribute(type, 'a'.repeat(bytes))])).attributes[key]?.length, bytes);
    }
    assert.equal(decoded(packet([attribute(0x0006, '\ufeffé\0')])).attributes.username, '\ufeffé\0');
  });

  test('nothing but data and MACs points into the packet', () => {
    const bytes = encodeMessage({
      ...head,
      attributes: { userhash: new Uint8Array(32), reservationToken: new Uint8Array(8), data: Buffer.from('data') },
    });
    const { transactionId, attributes } = decoded(bytes);
    bytes.fill(0xee);
    assert.deepEqual(transactionId, TRANSACTION_ID);
    assert.deepEqual(attributes.userhash, new Uint8Array(32));
    assert.deepEqual(attributes.reservationToken, new Uint8Array(8));
    assert.deepEqual(attributes.data, new Uint8Array(4).fill(0xee));
  });

  test('a packet in the middle of a larger buffer', () => {
    const bytes = encodeMessage(
      { ...head, attributes: { username: 'alice', data: Buffer.from('data') } },
      { integrity: { algorithm: 'sha256', key }, fingerprint: true },
    );
    const large = new Uint8Array(65_536).fill(0x99);
    large.set(bytes, 1001);
    const inside = large.subarray(1001, 1001 + bytes.length);
    const message = decoded(inside);
    assert.deepEqual(plain(message.attributes), { username: 'alice', data: [...Buffer.from('data')] });
    assert.ok(message.messageIntegritySha256);
    assert.equal(verifyIntegrity(inside, message.messageIntegritySha256, 'sha256', key), true);
  });
});

describe('encoding', () => {
  test('padding is zero, whatever was encoded before (CVE-2020-4067)', () => {
    encodeMessage({ ...head, attributes: { data: new Uint8Array(2000).fill(0xff) } });
    for (let length = 1; length < 9; length++) {
      const bytes = encodeMessage({ ...head, attributes: { username: 'x'.repeat(length) } });
      assert.equal(hex(bytes.subarray(24 + length)), '00'.repeat(-length & 3));
    }
    const attributes = {
      evenPort: { reserveNext: false },
      passwordAlgorithm: { algorithm: 1, parameters: Uint8Array.of(255) },
    };
    const bytes = encodeMessage({ ...head, attributes });
    assert.equal(hex(bytes.subarray(20)), '0018000100000000' + '001d000800010001ff000000');
  });

  test('attributes stand in the order of the keys', () => {
    const one = encodeMessage({ ...head, attributes: { lifetime: 1, requestedTransport: 17 } });
    const other = encodeMessage({ ...head, attributes: { requestedTransport: 17, lifetime: 1 } });
    assert.equal(hex(one.subarray(20)), '000d000400000001' + '0019000411000000');
    assert.equal(hex(other.subarray(20)), '0019000411000000' + '000d000400000001');
  });

  test('fills a message to its last byte, and no further', () => {
    const data = (length: number) => encodeMessage({ ...head, attributes: { data: new Uint8Array(length) } });
    assert.equal(decoded(data(65_528)).attributes.data?.length, 65_528);
    assert.throws(() => data(65_529), StunEncodeError);
    assert.throws(() => data(65_536), StunEncodeError);
    const signed = { integrity: { algorithm: 'sha1', key: new Uint8Array(16) } } as const;
    assert.throws(
      () => encodeMessage({ ...head, attributes: { data: new Uint8Array(65_528) } }, signed),
      StunEncodeError,
    );
    const twice = { data: new Uint8Array(65_535), username: 'alice' };
    assert.throws(() => encodeMessage({ ...head, attributes: twice }), StunEncodeError);
  });

  const at = { family: 4, address: '192.0.2.1', port: 1 } as const;
  const impossible: readonly (readonly [string, StunAttributes])[] = [
    ['address of the other family', { mappedAddress: { ...at, family: 6 } }],
    ['no address', { xorMappedAddress: { ...at, address: 'localhost' } }],
    ['no IPv6 address', { xorMappedAddress: { ...at, family: 6, address: '::x' } }],
    ['port', { xorPeerAddresses: [{ ...at, port: 65_536 }] }],
    ['fraction of a port', { xorPeerAddresses: [{ ...at, port: 0.5 }] }],
    ['long username', { username: 'x'.repeat(509) }],
    ['long username in bytes', { username: 'é'.repeat(255) }],
    ['long realm', { realm: 'x'.repeat(128) }],
    ['lone surrogate', { nonce: '\ud800' }],
    ['domain', { alternateDomain: 'bücher.example' }],
    ['empty domain', { alternateDomain: '' }],
    ['error code', { errorCode: { code: 700, reason: '' } }],
    ['long reason', { errorCode: { code: 400, reason: 'x'.repeat(128) } }],
    ['address error family', { addressErrorCode: { family: 256, code: 440, reason: '' } }],
    ['userhash', { userhash: new Uint8Array(31) }],
    ['token', { reservationToken: new Uint8Array(9) }],
    ['lifetime', { lifetime: 2 ** 32 }],
    ['negative lifetime', { lifetime: -1 }],
    ['channel', { channelNumber: Number.NaN }],
    ['transport', { requestedTransport: 256 }],
    ['unknown type', { unknownAttributes: [65_536] }],
    ['too many types', { unknownAttributes: new Array<number>(32_768).fill(1) }],
    ['algorithm', { passwordAlgorithm: { algorithm: -1, parameters: new Uint8Array(0) } }],
    ['parameters', { passwordAlgorithms: [{ algorithm: 1, parameters: new Uint8Array(65_535) }] }],
    ['icmp', { icmp: { type: 256, code: 0, data: 0 } }],
    ['no attribute', { xorMappedAdress: at } as StunAttributes],
  ];
  for (const [name, attributes] of impossible) {
    test(`throws for what has no encoding: ${name}`, () => {
      assert.throws(() => encodeMessage({ ...head, attributes }), StunEncodeError);
    });
  }

  test('throws for a header that has no encoding', () => {
    for (const wrong of [{ method: 0x1000 }, { method: -1 }, { transactionId: new Uint8Array(16) }]) {
      assert.throws(() => encodeMessage({ ...head, ...wrong, attributes: {} }), StunEncodeError);
    }
  });
});

const head: StunHeader = { class: 'request', method: 3, transactionId: TRANSACTION_ID };

/** Buffers and arrays of bytes compare as numbers: views and copies are equal then. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, key === 'transactionId' ? inner : plain(inner)]),
  );
}
