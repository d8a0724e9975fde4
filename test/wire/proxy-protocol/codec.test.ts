import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { decodeProxyHeader, MAX_PROXY_HEADER_BYTES } from '../../../src/wire/proxy-protocol/codec.ts';
import { crc32c } from '../../../src/wire/proxy-protocol/crc32c.ts';
import { type ProxyHeader, ProxyHeaderError } from '../../../src/wire/proxy-protocol/header.ts';
import { encodeProxyV1 } from '../../../src/wire/proxy-protocol/v1.ts';
import { encodeProxyV2, TLV_CRC32C } from '../../../src/wire/proxy-protocol/v2.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const reasonOf = (bytes: Uint8Array) => {
  const result = decodeProxyHeader(bytes);
  return result.ok ? 'ok' : result.reason;
};

const endpoint = (family: 4 | 6): fc.Arbitrary<Endpoint> =>
  fc
    .record({
      bytes: fc.uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }),
      port: fc.nat(65_535),
    })
    .map(({ bytes, port }) => ({ family, address: formatAddress(bytes), port }));
const pair = fc
  .constantFrom(4 as const, 6 as const)
  .chain((family) => fc.record({ source: endpoint(family), destination: endpoint(family) }));
const tlv = fc
  .tuple(
    fc.nat(255).filter((type) => type !== TLV_CRC32C),
    fc.uint8Array({ maxLength: 60 }),
  )
  .map(([type, value]) => ({ type, value }));
const header: fc.Arbitrary<ProxyHeader> = fc
  .record({ addresses: pair, transport: fc.constantFrom('stream' as const, 'dgram' as const), tlvs: fc.array(tlv) })
  .map(({ addresses, transport, tlvs }) => ({ command: 'proxy', addresses: { transport, ...addresses }, tlvs }));

describe('version 1', () => {
  test('what the specification shows', () => {
    const line = 'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n';
    const result = decodeProxyHeader(bytesOf(`${line}GET / HTTP/1.1\r\n`));
    const all = { family: 4, address: '255.255.255.255', port: 65_535 };
    assert.deepEqual(result, {
      ok: true,
      header: { command: 'proxy', addresses: { transport: 'stream', source: all, destination: all }, tlvs: [] },
      length: line.length,
    });
  });

  test('UNKNOWN may be followed by anything', () => {
    for (const line of ['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ffff:f...f:ffff any thing 65535 65535\r\n']) {
      const result = decodeProxyHeader(bytesOf(line));
      assert.deepEqual(result.ok && result.header.addresses, undefined, line);
      assert.equal(result.ok && result.length, line.length);
    }
  });

  test('any two endpoints come back', () => {
    fc.assert(
      fc.property(pair, (addresses) => {
        const sent: ProxyHeader = { command: 'proxy', addresses: { transport: 'stream', ...addresses }, tlvs: [] };
        const bytes = encodeProxyV1(sent);
        assert.ok(bytes.length <= 107);
        assert.deepEqual(decodeProxyHeader(bytes), { ok: true, header: sent, length: bytes.length });
      }),
    );
  });

  for (const [name, line, reason] of [
    ['a leading zero', 'PROXY TCP4 1.2.3.4 5.6.7.8 080 80\r\n', 'malformed-proxy-header'],
    ['a port too high', 'PROXY TCP4 1.2.3.4 5.6.7.8 65536 80\r\n', 'malformed-proxy-header'],
    ['two spaces', 'PROXY TCP4  1.2.3.4 5.6.7.8 80 80\r\n', 'malformed-proxy-header'],
    ['the other family', 'PROXY TCP6 1.2.3.4 5.6.7.8 80 80\r\n', 'malformed-proxy-header'],
    ['a zone', 'PROXY TCP6 fe80::1%lo fe80::2 80 80\r\n', 'malformed-proxy-header'],
    ['another protocol', 'PROXY UDP4 1.2.3.4 5.6.7.8 80 80\r\n', 'malformed-proxy-header'],
    ['no end', `PROXY TCP4 ${'1'.repeat(120)}`, 'proxy-header-too-long'],
    ['an end too late', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'proxy-header-too-long'],
    ['another word', 'GET / HTTP/1.1\r\n', 'no-proxy-header'],
    ['the beginning only', 'PROX', 'incomplete'],
    ['nothing', '', 'incomplete'],
  ] as const) {
    test(`${name}: ${reason}`, () => assert.equal(reasonOf(bytesOf(line)), reason));
  }

  test('datagrams and LOCAL are UNKNOWN, mixed families a mistake', () => {
    const addresses = {
      transport: 'dgram',
      source: { family: 4, address: '192.0.2.1', port: 1 },
      destination: { family: 4, address: '192.0.2.2', port: 2 },
    } as const;
    const unknown = 'PROXY UNKNOWN\r\n';
    assert.equal(Buffer.from(encodeProxyV1({ command: 'proxy', addresses })).toString(), unknown);
    assert.equal(Buffer.from(encodeProxyV1({ command: 'local', addresses: undefined })).toString(), unknown);
    const mixed = {
      ...addresses,
      transport: 'stream',
      source: { family: 6, address: '2001:db8::1', port: 1 },
    } as const;
    assert.throws(() => encodeProxyV1({ command: 'proxy', addresses: mixed }), ProxyHeaderError);
  });
});

describe('version 2', () => {
  test('a header written by hand', () => {
    const text = `${SIGNATURE}2111000c${'c0000201'}${'c6336402'}dc0401bb`;
    const result = decodeProxyHeader(Buffer.from(`${text}ffff`, 'hex'));
    const sent: ProxyHeader = {
      command: 'proxy',
      addresses: {
        transport: 'stream',
        source: { family: 4, address: '192.0.2.1', port: 56_324 },
        destination: { family: 4, address: '198.51.100.2', port: 443 },
      },
      tlvs: [],
    };
    assert.deepEqual(result, { ok: true, header: sent, length: 28 });
    assert.equal(Buffer.from(encodeProxyV2(sent)).toString('hex'), text);
  });

  test('any header comes back, whatever follows it', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 40 }), (sent, data) => {
        const bytes = encodeProxyV2(sent);
        const result = decodeProxyHeader(Buffer.concat([bytes, data]));
        assert.deepEqual(result, { ok: true, header: sent, length: bytes.length });
      }),
    );
  });

  test('every part of a header is incomplete, never a fault', () => {
    fc.assert(
      fc.property(header, fc.boolean(), fc.nat(), (sent, first, cut) => {
        const bytes = first ? encodeProxyV1(sent) : encodeProxyV2(sent);
        assert.equal(reasonOf(bytes.subarray(0, cut % bytes.length)), 'incomplete');
      }),
    );
  });

  test('no bytes at all make it throw, and what it takes it could have written', () => {
    const near = fc.tuple(header, fc.nat(), fc.nat(255)).map(([sent, at, byte]) => {
      const bytes = encodeProxyV2(sent);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), near), (bytes) => {
        const result = decodeProxyHeader(bytes);
        if (!result.ok || result.header.addresses === undefined) return;
        assert.equal(result.header.addresses.source.family, result.header.addresses.destination.family);
        assert.ok(result.length <= bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  test('LOCAL is read past, with whatever it holds', () => {
    const local = Buffer.from(`${SIGNATURE}20110010${'00'.repeat(12)}ffffffff`, 'hex');
    assert.deepEqual(decodeProxyHeader(local), {
      ok: true,
      header: { command: 'local', addresses: undefined, tlvs: [] },
      length: 32,
    });
    const sent: ProxyHeader = { command: 'local', addresses: undefined, tlvs: [] };
    assert.equal(Buffer.from(encodeProxyV2(sent)).toString('hex'), `${SIGNATURE}20000000`);
  });

  test('unix addresses are skipped, TLVs behind them read', () => {
    const bytes = Buffer.from(`${SIGNATURE}213100dc${'2f'.repeat(216)}04000161`, 'hex');
    const result = decodeProxyHeader(bytes);
    assert.ok(result.ok);
    assert.equal(result.header.addresses, undefined);
    assert.deepEqual(result.header.tlvs, [{ type: 4, value: Uint8Array.of(0x61) }]);
  });

  for (const [name, hex, reason] of [
    ['version 1 in binary', '11110000', 'malformed-proxy-header'],
    ['an unknown command', '22110000', 'malformed-proxy-header'],
    ['an unknown family', '21410000', 'malformed-proxy-header'],
    ['an unknown transport', '21130000', 'malformed-proxy-header'],
    ['too little for the addresses', '21110008ffffffffffffffff', 'malformed-proxy-header'],
    ['half a TLV header', `2100000204ff`, 'malformed-proxy-header'],
    ['a TLV beyond the end', `21000003040001`, 'malformed-proxy-header'],
    ['too long', '2100ffff', 'proxy-header-too-long'],
  ] as const) {
    test(`${name}: ${reason}`, () => assert.equal(reasonOf(Buffer.from(SIGNATURE + hex, 'hex')), reason));
  }

  test('the checksum is held to what it covers', () => {
    const sent: ProxyHeader = {
      command: 'proxy',
      addresses: undefined,
      tlvs: [{ type: TLV_CRC32C, value: new Uint8Array(4) }],
    };
    const bytes = encodeProxyV2(sent);
    assert.equal(reasonOf(bytes), 'proxy-checksum-wrong');
    new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes, bytes.length - 4));
    assert.equal(reasonOf(bytes), 'ok');
    // The value that RFC 9260's algorithm gives for "123456789".
    assert.equal(crc32c(bytesOf('123456789'), 100), 0xe3069283);
  });

  test('more than fits is a mistake of the caller', () => {
    const tlvs = [{ type: 1, value: new Uint8Array(MAX_PROXY_HEADER_BYTES * 16) }];
    assert.throws(() => encodeProxyV2({ command: 'proxy', addresses: undefined, tlvs }), ProxyHeaderError);
  });
});
