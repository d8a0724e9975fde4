import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type ProbeOptions, runProbe } from '../../src/probe/probe.ts';
import type { ProbeReport } from '../../src/probe/report.ts';
import {
  METHOD_ALLOCATE,
  METHOD_BINDING,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_REFRESH,
} from '../../src/wire/stun/message.ts';
import { afterwards } from '../afterwards.ts';
import { waitFor } from '../cli/culvert.ts';
import { freePort } from '../ports.ts';
import { type FakeBehaviour, FakeTurn } from './fake-turn.ts';

const CREDENTIALS = { user: 'alice', password: 'secret' };

test('a working server passes every step, and nothing is left behind', async (context) => {
  const server = await start(context);
  const { code, report } = await probe(`turn:127.0.0.1:${server.port}`, CREDENTIALS);
  assert.equal(code, 0);
  assert.equal(report.ok, true);
  assert.equal(report.failure, null);
  assert.deepEqual(report.relayed, ['127.0.0.1:50000', '127.0.0.1:50001']);
  assert.equal(report.mapped, report.local);
  assert.deepEqual(
    report.steps.map(({ name }) => name),
    ['resolve', 'connect', 'binding', 'challenge', 'allocate #1', 'allocate #2', 'permission', 'channel bind'].concat([
      'echo channel',
      'echo send',
      'refresh',
      'release',
    ]),
  );
  assert.ok(report.steps.every(({ ok }) => ok));
  assert.equal(server.allocations, 0);
});

test('SHA-256 and USERHASH are used when the server offers them', async (context) => {
  const server = await start(context, { modern: true });
  const { code, report } = await probe(`turn:127.0.0.1:${server.port}`, CREDENTIALS);
  assert.equal(code, 0, report.failure?.sentence);
  assert.match(report.steps[3]?.detail ?? '', /HMAC-SHA256 with USERHASH/);
  const authenticated = server.seen.filter(({ attributes }) => attributes.nonce !== undefined);
  assert.ok(authenticated.length > 0 && authenticated.every(({ attributes }) => attributes.username === undefined));
});

test('a server without credentials works, with a note', async (context) => {
  const server = await start(context, { open: true });
  const { code, report } = await probe(`turn:127.0.0.1:${server.port}`, {});
  assert.equal(code, 0, report.failure?.sentence);
  assert.match(report.notes.join(), /no credentials/);
});

test('stun: does a Binding and shows the mapped address', async (context) => {
  const server = await start(context);
  const { code, lines } = await probePretty(`stun:127.0.0.1:${server.port}`, {});
  assert.equal(code, 0);
  assert.match(lines.join('\n'), /✔ binding +[\d.]+ ms {2}mapped address 127\.0\.0\.1:\d+/);
  assert.deepEqual(
    server.seen.map(({ method }) => method),
    [METHOD_BINDING],
  );
});

test('a lost request is sent again with the same transaction id', async (context) => {
  let lost = 0;
  const server = await start(context, { lose: (method) => method === METHOD_BINDING && lost++ < 1 });
  const { code } = await probe(`stun:127.0.0.1:${server.port}`, {});
  assert.equal(code, 0);
  assert.equal(server.seen.length, 2);
  assert.equal(server.seen[0]?.transactionId, server.seen[1]?.transactionId);
});

test('credentials of this machine are used when none are given', async (context) => {
  const server = await start(context);
  const fallback = async () => ({ username: 'alice', password: 'secret' });
  const { code } = await probe(`turn:127.0.0.1:${server.port}`, { fallback });
  assert.equal(code, 0);
});

test('credentials of this machine that another server refuses are not called wrong', async (context) => {
  const server = await start(context, { password: 'another' });
  const fallback = async () => ({ username: 'alice', password: 'secret' });
  const { report } = await probe(`turn:127.0.0.1:${server.port}`, { fallback });
  assert.match(report.failure?.sentence ?? '', /another server than the one that runs from this folder/);
});

describe('a failure names its step and likely cause', () => {
  const failures: ReadonlyArray<{
    readonly what: string;
    readonly behaviour: FakeBehaviour;
    readonly options?: ProbeOptions;
    readonly step: string;
    readonly code: string;
    readonly says: RegExp;
  }> = [
    {
      what: 'silence',
      behaviour: { lose: () => true },
      step: 'binding',
      code: 'no-answer',
      says: /firewall .* blocks UDP port/,
    },
    {
      what: 'no credentials',
      behaviour: {},
      options: { user: undefined, password: undefined },
      step: 'challenge',
      code: 'no-credentials',
      says: /--user/,
    },
    {
      what: 'a wrong password',
      behaviour: { password: 'other' },
      step: 'allocate #1',
      code: 'error-response',
      says: /wrong user, password/,
    },
    {
      what: 'a wrong user',
      behaviour: { username: 'bob' },
      step: 'allocate #1',
      code: 'error-response',
      says: /clocks/,
    },
    {
      what: 'a bid-down',
      behaviour: { bidDown: true },
      step: 'challenge',
      code: 'bid-down',
      says: /removes security features/,
    },
    {
      what: 'a forged response',
      behaviour: { responseKey: Buffer.from('wrong') },
      step: 'allocate #1',
      code: 'integrity',
      says: /changes packets/,
    },
    {
      what: '403 on a permission',
      behaviour: { refuse: on(METHOD_CREATE_PERMISSION, 403) },
      step: 'permission',
      code: 'error-response',
      says: /denies 127\.0\.0\.1 as a peer, a private/,
    },
    {
      what: '437',
      behaviour: { refuse: on(METHOD_REFRESH, 437) },
      step: 'refresh',
      code: 'error-response',
      says: /allocation is gone/,
    },
    {
      what: '440',
      behaviour: { refuse: on(METHOD_ALLOCATE, 440) },
      options: { family: 6 },
      step: 'allocate #1',
      code: 'error-response',
      says: /no IPv6 relayed addresses/,
    },
    {
      what: '440 to a client that asks for nothing',
      behaviour: { refuse: on(METHOD_ALLOCATE, 440) },
      step: 'allocate #1',
      code: 'error-response',
      says: /no IPv4 relayed addresses: .*--ipv6/,
    },
    {
      what: '486',
      behaviour: { refuse: on(METHOD_ALLOCATE, 486) },
      step: 'allocate #1',
      code: 'error-response',
      says: /quota/,
    },
    {
      what: '508',
      behaviour: { refuse: on(METHOD_ALLOCATE, 508) },
      step: 'allocate #1',
      code: 'error-response',
      says: /no relayed port is free/,
    },
    {
      what: '400 on a channel',
      behaviour: { refuse: on(METHOD_CHANNEL_BIND, 400) },
      step: 'channel bind',
      code: 'error-response',
      says: /malformed/,
    },
    {
      what: 'data that vanishes',
      behaviour: { relay: () => undefined },
      step: 'echo channel',
      code: 'no-data',
      says: /firewall blocks the relayed ports \(here UDP 50000 and 50001\)/,
    },
    {
      what: 'data that is changed',
      behaviour: { relay: (data) => data.map((byte) => byte ^ 1) },
      step: 'echo channel',
      code: 'corrupt',
      says: /changes packets/,
    },
    {
      what: 'large data that vanishes',
      behaviour: { relay: (data) => (data.length > 1000 ? undefined : data) },
      step: 'echo channel',
      code: 'large-lost',
      says: /MTU/,
    },
  ];
  for (const { what, behaviour, options, step, code, says } of failures) {
    test(what, async (context) => {
      const server = await start(context, behaviour);
      const outcome = await probe(`turn:127.0.0.1:${server.port}`, { ...CREDENTIALS, timeout: 1000, ...options });
      assert.equal(outcome.code, 1);
      assert.equal(outcome.report.ok, false);
      assert.deepEqual([outcome.report.failure?.step, outcome.report.failure?.code], [step, code]);
      assert.match(outcome.report.failure?.sentence ?? '', says);
      assert.equal(outcome.report.steps.at(-1)?.ok, false);
    });
  }

  test('a relay that loses every third packet', async (context) => {
    let packets = 0;
    const server = await start(context, { relay: (data) => (packets++ % 3 === 0 ? undefined : data) });
    const { report } = await probe(`turn:127.0.0.1:${server.port}`, { ...CREDENTIALS, timeout: 300 });
    assert.deepEqual([report.failure?.step, report.failure?.code], ['echo channel', 'lossy']);
  });

  test('a relay that flips bits one way only is caught, and its allocations are given back', async (context) => {
    let packets = 0;
    const server = await start(context, { relay: (data) => (packets++ === 3 ? data.map((byte) => ~byte) : data) });
    const { report } = await probe(`turn:127.0.0.1:${server.port}`, { ...CREDENTIALS, timeout: 1000 });
    assert.equal(report.failure?.code, 'corrupt');
    await waitFor(() => server.allocations === 0);
  });

  test('a closed UDP port', async () => {
    const { code, report } = await probe(`turn:127.0.0.1:${await freePort()}`, CREDENTIALS);
    assert.equal(code, 1);
    assert.match(report.failure?.sentence ?? '', /connection refused.*nothing listens on UDP port/);
  });

  test('a closed TCP port', async () => {
    const { report } = await probe(`turn:127.0.0.1:${await freePort()}?transport=tcp`, CREDENTIALS);
    assert.match(report.failure?.sentence ?? '', /connection refused.*nothing listens on TCP port/);
  });

  test('a TCP server that hangs up, and one that speaks something else', async (context) => {
    const rude = await listen(context, (socket) => socket.destroy());
    const other = await listen(context, (socket) => socket.end('220 mail.example.org ESMTP ready\r\n'));
    const first = await probe(`turn:127.0.0.1:${rude}?transport=tcp`, CREDENTIALS);
    assert.match(first.report.failure?.sentence ?? '', /closed the connection.*turns:/);
    const second = await probe(`turn:127.0.0.1:${other}?transport=tcp`, CREDENTIALS);
    assert.equal(second.report.failure?.code, 'bad-response');
    const third = await probe(`turns:127.0.0.1:${other}`, CREDENTIALS);
    assert.match(third.report.failure?.code ?? '', /^(tls-failed|closed)$/);
  });

  test('a TCP server that never says anything', async (context) => {
    const port = await listen(context, () => {});
    const { report } = await probe(`turns:127.0.0.1:${port}`, { ...CREDENTIALS, timeout: 200 });
    assert.deepEqual([report.failure?.step, report.failure?.code], ['connect', 'no-answer']);
  });

  test('a name that does not exist', async () => {
    const { report } = await probe('turn:does-not-exist.invalid', CREDENTIALS);
    assert.deepEqual([report.failure?.step, report.failure?.code], ['resolve', 'name-not-found']);
  });
});

describe('wrong usage ends with 2 and one line', () => {
  for (const [url, options] of [
    ['udp:example.org', {}],
    ['ftp:example.org', {}],
    ['turn:example.org', { user: 'alice' }],
  ] as const) {
    test(`${url} ${JSON.stringify(options)}`, async () => {
      const { code, lines, errors } = await probePretty(url, options);
      assert.equal(code, 2);
      assert.deepEqual(lines, []);
      assert.equal(errors.length, 1);
      assert.match(errors[0] ?? '', /^culvert probe: /);
    });
  }
});

test('neither password nor secret is ever printed', async (context) => {
  const server = await start(context);
  for (const url of [`turn:alice:hunter2@127.0.0.1:${server.port}`, `turn:127.0.0.1:${server.port}`]) {
    const { lines, errors } = await probePretty(url, url.includes('@') ? {} : { user: 'alice', password: 'hunter2' });
    assert.doesNotMatch([...lines, ...errors].join('\n'), /hunter2/);
  }
});

function on(method: number, code: number): (asked: number) => number | undefined {
  return (asked) => (asked === method ? code : undefined);
}

async function start(context: TestContext, behaviour?: FakeBehaviour): Promise<FakeTurn> {
  const server = await FakeTurn.start(behaviour);
  afterwards(context, () => server.stop());
  return server;
}

async function listen(context: TestContext, onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => onConnection(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  afterwards(context, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function probe(url: string, options: ProbeOptions): Promise<{ code: number; report: ProbeReport }> {
  const { code, lines } = await probePretty(url, { ...options, json: true });
  assert.equal(lines.length, 1);
  return { code, report: JSON.parse(lines[0] ?? '') };
}

async function probePretty(
  url: string,
  options: ProbeOptions,
): Promise<{ code: number; lines: string[]; errors: string[] }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await runProbe(url, { ...options, out: (line) => lines.push(line), err: (line) => errors.push(line) });
  return { code, lines, errors };
}
