import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { decodeClientHello } from '../../../src/wire/tls/client-hello.ts';
import { afterwards } from '../../afterwards.ts';
import { hello, helloMessage, inRecords, serverName } from './hello.ts';

const reasonOf = (bytes: Uint8Array) => {
  const result = decodeClientHello(bytes);
  return result.ok ? 'ok' : result.reason;
};
const nameOf = (bytes: Uint8Array) => {
  const result = decodeClientHello(bytes);
  return result.ok ? result.serverName : assert.fail(result.reason);
};
const GREASE = [0x4a4a, new Uint8Array(0)] as const;
/** encrypted_client_hello: outer, a cipher suite, a config id, an empty key, a payload. */
const ECH = [0xfe0d, Buffer.from('0000010001420000000411223344', 'hex')] as const;

for (const [what, bytes, expected] of [
  ['a name', hello({ name: 'a.example.com' }), 'a.example.com'],
  ['a name in capitals, with a dot at the end', hello({ name: 'A.Example.COM.' }), 'a.example.com'],
  ['no name', hello(), undefined],
  ['no extensions at all', hello({ noExtensions: true }), undefined],
  [
    'GREASE before and behind',
    hello({ name: 'a.example', before: [GREASE], after: [[0xfafa, Buffer.from([0])]] }),
    'a.example',
  ],
  ['an encrypted ClientHello: the outer name', hello({ name: 'public.example', after: [ECH] }), 'public.example'],
  ['no session id', hello({ name: 'a.example', sessionId: new Uint8Array(0) }), 'a.example'],
  ['key shares of 8 KB', hello({ before: [[51, Buffer.alloc(8000)]], name: 'a.example' }), 'a.example'],
  ['data behind it', Buffer.concat([hello({ name: 'a.example' }), Buffer.from('early data')]), 'a.example'],
  ['records of one byte each', inRecords(helloMessage({ name: 'a.example' }), 1), 'a.example'],
] as const) {
  test(`a ClientHello with ${what}`, () => assert.equal(nameOf(bytes), expected));
}

/** Its only extension claims more than there is. */
function overlong(): Buffer {
  const bytes = hello({ before: [[1, Buffer.alloc(4)]] });
  return bytes.fill(0xff, bytes.length - 6, bytes.length - 4);
}

for (const [what, bytes, expected] of [
  ['nothing yet', new Uint8Array(0), 'incomplete'],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'not-tls'],
  ['SSL 2', Buffer.from('802e0100020015000000100100800200800300800400800500800600400700c0', 'hex'), 'not-tls'],
  ['a ServerHello', inRecords(Buffer.from([2, 0, 0, 4, 3, 3, 0, 0])), 'not-tls'],
  ['an alert', Buffer.from([21, 3, 1, 0, 2, 2, 40]), 'not-tls'],
  ['an empty record', Buffer.from([22, 3, 1, 0, 0]), 'malformed-client-hello'],
  ['a record above 2^14', Buffer.from([22, 3, 1, 0x40, 1]), 'malformed-client-hello'],
  ['a message of 16 MB', Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]), 'oversized-client-hello'],
  [
    'more than 256 records',
    inRecords(helloMessage({ before: [[51, Buffer.alloc(300)]] }), 1),
    'oversized-client-hello',
  ],
  ['two server names', hello({ name: 'a.example', after: [serverName('b.example')] }), 'malformed-client-hello'],
  ['a name with a line break', hello({ name: 'a.example\nx' }), 'malformed-client-hello'],
  ['an empty name', hello({ name: '' }), 'malformed-client-hello'],
  ['a name of 300 bytes', hello({ name: 'a'.repeat(300) }), 'malformed-client-hello'],
  ['an extension longer than all', overlong(), 'malformed-client-hello'],
] as const) {
  test(`${what} is ${expected}`, () => assert.equal(reasonOf(bytes), expected));
}

test('crumbs without end are oversized', () => {
  const endless = Buffer.concat([inRecords(Buffer.from([1, 0, 0x7f, 0xff])), inRecords(Buffer.alloc(20_000), 1)]);
  assert.equal(reasonOf(endless), 'oversized-client-hello');
});

test('every beginning of a ClientHello is incomplete, however it is cut into records', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.nat(10_000), (size, cut) => {
      const whole = inRecords(helloMessage({ name: 'some.name.example', before: [GREASE], after: [ECH] }), size);
      assert.equal(nameOf(whole), 'some.name.example');
      assert.equal(reasonOf(whole.subarray(0, cut % whole.length)), 'incomplete');
    }),
  );
});

test('mutations and noise are answered, never thrown', () => {
  const good = inRecords(helloMessage({ name: 'some.name.example', before: [GREASE], after: [ECH] }), 50);
  const edit = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), fc.nat(good.length), (edits, length) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of edits) bytes[at] = value;
      const result = decodeClientHello(bytes.subarray(0, length));
      if (result.ok) assert.match(result.serverName ?? 'x', /^[a-z0-9_.:-]{1,254}$/);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeClientHello(bytes)));
});

test('what OpenSSL sends', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepting = once(server, 'connection');
  const client = connect({ port: (server.address() as { port: number }).port, servername: 'Real.Example' });
  client.on('error', () => {});
  afterwards(t, () => {
    client.destroy();
    server.close();
  });
  const [socket] = (await accepting) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  assert.equal(nameOf(bytes), 'real.example');
});

test('a ClientHello that comes byte by byte in the smallest records costs little, however long', () => {
  const message = helloMessage({ before: [[51, Buffer.alloc(20_000)]], name: 'a.example' });
  const bytes = inRecords(message, 1).subarray(0, 64 * 1024);
  const begin = process.cpuUsage();
  for (let length = 1; length <= bytes.length; length++)
    if (reasonOf(bytes.subarray(0, length)) !== 'incomplete') break;
  const { user, system } = process.cpuUsage(begin);
  // 26 s when all of it was walked through.
  assert.ok(user + system < 2e6, `${user + system} µs`);
});
