import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import * as units from '../../../src/control/config/units.ts';

const good: [(text: string) => units.Parsed<unknown>, string, unknown][] = [
  [units.parseDuration, '500ms', 500],
  [units.parseDuration, '10m', 600_000],
  [units.parseDuration, '2d', 172_800_000],
  [units.parseSize, '1500', 1500],
  [units.parseSize, '64k', 64_000],
  [units.parseSize, '10MiB', 10 * 2 ** 20],
  [units.parsePortRange, '49152-65535', { min: 49152, max: 65535 }],
  [units.parsePortRange, '5000', { min: 5000, max: 5000 }],
  [
    units.parseListener,
    'udp://0.0.0.0:3478',
    { transport: 'udp', local: { family: 4, address: '0.0.0.0', port: 3478 } },
  ],
  [
    units.parseListener,
    'tls://[2001:DB8::0]:5349',
    { transport: 'tls', local: { family: 6, address: '2001:db8::', port: 5349 } },
  ],
  [units.parseHttpListener, 'http://localhost:80/', { family: 4, address: '127.0.0.1', port: 80 }],
  [units.parseHttpListener, 'off', undefined],
  [units.parseIpv6, '::FFFF', '::ffff'],
];

const bad: [(text: string) => units.Parsed<unknown>, string[]][] = [
  [units.parseDuration, ['', '10', '1.5h', '-1s', '10 m', '1w', '9999999999s', 's']],
  [units.parseSize, ['', '-1', '1.5M', '1T', 'k', '999999999999G']],
  [units.parsePortRange, ['', '0', '0-5', '1-65536', '5-4', '1-2-3', 'a-b', '1 - 2']],
  [
    units.parseListener,
    [
      '',
      '3478',
      'udp://:3478',
      'udp://1.2.3.4',
      'http://1.2.3.4:5',
      'udp://::1:5',
      'udp://[1.2.3.4]:5',
      'udp://1.2.3.4:65536',
      'udp://[fe80::1%eth0]:5',
      'udp://u:p@1.2.3.4:5',
      'udp://1.2.3:5',
    ],
  ],
  [
    units.parseHttpListener,
    ['https://127.0.0.1:1', 'http://127.0.0.1:1/path', '127.0.0.1:1', 'http://relay.example:1'],
  ],
  [units.parseCidr, ['10.0.0.1/8', '10.0.0.0/33', '::/129', 'x']],
];

describe('units', () => {
  for (const [parse, text, value] of good) {
    test(`${parse.name}("${text}")`, () => assert.deepEqual(parse(text), { ok: true, value }));
  }
  for (const [parse, texts] of bad) {
    test(`${parse.name} refuses what it does not know`, () => {
      for (const text of texts) assert.equal(parse(text).ok, false, text);
    });
  }
  test('no text makes them throw', () => {
    const all = [
      units.parseDuration,
      units.parseSize,
      units.parsePortRange,
      units.parseListener,
      units.parseHttpListener,
      units.parseIp,
      units.parseCidr,
    ];
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of all) assert.equal(typeof parse(text).ok, 'boolean');
      }),
    );
  });
});
