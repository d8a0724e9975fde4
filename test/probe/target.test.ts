import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ProbeTarget, parseTarget } from '../../src/probe/target.ts';

const ACCEPTED: ReadonlyArray<readonly [string, ProbeTarget]> = [
  ['stun:example.org', target('stun', 'udp', 'example.org', 3478)],
  ['STUN:example.org:3479', target('stun', 'udp', 'example.org', 3479)],
  ['stun:example.org?transport=tcp', target('stun', 'tcp', 'example.org', 3478)],
  ['stuns:example.org', target('stun', 'tls', 'example.org', 5349)],
  ['turn:192.0.2.1', target('turn', 'udp', '192.0.2.1', 3478)],
  ['turn://192.0.2.1:1', target('turn', 'udp', '192.0.2.1', 1)],
  ['turn:[2001:db8::1]', target('turn', 'udp', '2001:db8::1', 3478)],
  ['turn:[2001:db8::1]:99?transport=tcp', target('turn', 'tcp', '2001:db8::1', 99)],
  ['turn:a.example?transport=UDP', target('turn', 'udp', 'a.example', 3478)],
  ['turns:a.example', target('turn', 'tls', 'a.example', 5349)],
  ['turns:a.example:443?transport=tcp', target('turn', 'tls', 'a.example', 443)],
  ['pair:a.example', target('pair', 'udp', 'a.example', 6060)],
  ['pair:[::1]:7000', target('pair', 'udp', '::1', 7000)],
  ['turn:alice:s3cret@a.example', target('turn', 'udp', 'a.example', 3478, ['alice', 's3cret'])],
  ['turn:1700000000:alice:pw/+=@a.example', target('turn', 'udp', 'a.example', 3478, ['1700000000:alice', 'pw/+='])],
  ['turn:a%40b:p%3Aw@a.example', target('turn', 'udp', 'a.example', 3478, ['a@b', 'p:w'])],
];

for (const [url, wanted] of ACCEPTED) {
  test(`${url} is understood`, () => {
    assert.deepEqual(parseTarget(url), { ok: true, target: wanted });
  });
}

const REFUSED: ReadonlyArray<readonly [string, RegExp]> = [
  ['', /is no URL/],
  ['example.org', /is no URL/],
  ['http://example.org', /unknown scheme "http:"/],
  ['constructor:x', /unknown scheme/],
  ['wireguard:example.org:51820?transport=udp', /host and a port alone/],
  ['wireguard:user:password@example.org', /host and a port alone/],
  ['pair:alice:x@example.org', /host and a port alone/],
  ['pair:example.org?transport=udp', /host and a port alone/],
  ['pair:example.org:0', /is no host/],
  ['tcp:example.org', /host:port/],
  ['udp:[::1]:0', /host:port/],
  ['turn:', /no host/],
  ['turn:example.org:0', /no host/],
  ['turn:example.org:65536', /no host/],
  ['turn:2001:db8::1', /no host/],
  ['turn:exa mple', /no host/],
  ['turn:example.org?transport=sctp', /not understood/],
  ['turns:example.org?transport=udp', /DTLS/],
  ['turn:alice@example.org', /user:password@host/],
  ['turn:alice:%zz@example.org', /user:password@host/],
];

for (const [url, why] of REFUSED) {
  test(`"${url}" is refused`, () => {
    const result = parseTarget(url);
    assert.ok(!result.ok);
    assert.match(result.fault, why);
  });
}

describe('any text', () => {
  test('gives a target or a fault, never an exception', () => {
    const url = fc.oneof(
      fc.string(),
      fc.string().map((rest) => `turn:${rest}`),
      fc.webUrl(),
    );
    fc.assert(
      fc.property(url, (text) => {
        const result = parseTarget(text);
        return result.ok ? result.target.port > 0 && result.target.host !== '' : result.fault !== '';
      }),
    );
  });

  test('survives as user and password when it is encoded', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' });
    fc.assert(
      fc.property(text, text, (username, password) => {
        const result = parseTarget(`turn:${encodeURIComponent(username)}:${encodeURIComponent(password)}@a.example`);
        assert.deepEqual(result.ok && result.target.credentials, { username, password });
      }),
    );
  });
});

function target(
  service: ProbeTarget['service'],
  transport: ProbeTarget['transport'],
  host: string,
  port: number,
  credentials?: readonly [string, string],
): ProbeTarget {
  const [username, password] = credentials ?? [];
  const given = username !== undefined && password !== undefined ? { username, password } : undefined;
  return { service, transport, host, port, credentials: given };
}
