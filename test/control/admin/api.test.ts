import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { describe, test } from 'node:test';
import { openAdmin } from '../../../src/control/admin/server.ts';
import { afterwards } from '../../afterwards.ts';
import { FakeOperations } from './operations.ts';

const TOKEN = '0123456789abcdef';
const BEARER = { Authorization: `Bearer ${TOKEN}` };
const JSON_TYPE = { 'Content-Type': 'application/json' };

interface Asked extends RequestOptions {
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function open(context: { after(hook: () => Promise<void>): void }, token: string | undefined = TOKEN) {
  const operations = new FakeOperations();
  const errors: unknown[] = [];
  const server = await openAdmin({
    listen: { family: 4, address: '127.0.0.1', port: 0 },
    token,
    notReady: () => undefined,
    metrics: () => '',
    metricsType: 'text/plain',
    operations,
    onError: (error) => errors.push(error),
  });
  afterwards(context, () => server.close());
  const send = async ({ body, ...options }: Asked) => {
    const { port } = server.local;
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const headers = { ...length, ...options.headers };
    const sent = request({ host: '127.0.0.1', port, ...options, headers }).end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  };
  const ask = async (asked: Asked) => {
    const response = await send(asked);
    let text = '';
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode, headers: response.headers, text };
  };
  return { operations, errors, send, ask, port: server.local.port };
}

describe('who may ask', () => {
  const block = { method: 'POST', path: '/api/v1/blocks', body: '{"prefix":"192.0.2.1"}' };
  const cases: [string, Asked, number][] = [
    ['no token', { ...block, headers: JSON_TYPE }, 401],
    ['another token', { ...block, headers: { ...JSON_TYPE, Authorization: `Bearer ${TOKEN}x` } }, 401],
    ['a token as a parameter', { ...block, path: `/api/v1/blocks?token=${TOKEN}`, headers: JSON_TYPE }, 401],
    ['no token, only looking', { path: '/api/v1/status' }, 401],
    ['no token, the description', { path: '/api/v1/openapi.json' }, 401],
    ['no token, what is not there', { path: '/api/v1/nothing' }, 401],
    ['the token', { ...block, headers: { ...BEARER, ...JSON_TYPE } }, 201],
    ['a foreign page', { ...block, headers: { ...BEARER, ...JSON_TYPE, Origin: 'https://evil.example' } }, 403],
    ['a sandboxed page', { ...block, headers: { ...BEARER, ...JSON_TYPE, Origin: 'null' } }, 403],
    [
      'a foreign page that looks',
      { path: '/api/v1/status', headers: { ...BEARER, Origin: 'http://evil.example' } },
      403,
    ],
    [
      'another port of this host',
      { ...block, headers: { ...BEARER, ...JSON_TYPE, Host: 'relay:1', Origin: 'http://relay:2' } },
      403,
    ],
    [
      'a longer name',
      { ...block, headers: { ...BEARER, ...JSON_TYPE, Host: 'relay', Origin: 'http://relay.evil' } },
      403,
    ],
    [
      'our own page',
      { ...block, headers: { ...BEARER, ...JSON_TYPE, Host: 'relay:1', Origin: 'http://relay:1' } },
      201,
    ],
    [
      'our own page behind TLS',
      { ...block, headers: { ...BEARER, ...JSON_TYPE, Host: 'relay', Origin: 'https://relay' } },
      201,
    ],
    [
      'what the browser calls cross-site',
      { ...block, headers: { ...BEARER, ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' } },
      403,
    ],
    ['a form', { ...block, headers: { ...BEARER, 'Content-Type': 'application/x-www-form-urlencoded' } }, 415],
    ['a form of plain text', { ...block, headers: { ...BEARER, 'Content-Type': 'text/plain' } }, 415],
    ['no type', { ...block, headers: BEARER }, 415],
    ['no type, no body', { method: 'POST', path: '/api/v1/drain', headers: BEARER }, 415],
  ];
  for (const [name, asked, status] of cases) {
    test(`${name} → ${status}`, async (context) => {
      const { ask, operations } = await open(context);
      const answer = await ask(asked);
      assert.equal(answer.status, status, answer.text);
      assert.equal(operations.calls.length, status === 201 ? 1 : 0);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.ok(!answer.text.includes(TOKEN));
    });
  }

  test('without admin.token nobody, over TCP; not even to look', async (context) => {
    const operations = new FakeOperations();
    const server = await openAdmin({
      listen: { family: 4, address: '127.0.0.1', port: 0 },
      notReady: () => undefined,
      metrics: () => '',
      metricsType: 'text/plain',
      operations,
      onError: () => {},
    });
    afterwards(context, () => server.close());
    for (const [method, path] of [
      ['GET', 'status'],
      ['GET', 'clients'],
      ['POST', 'drain'],
      ['DELETE', 'blocks?prefix=192.0.2.1'],
    ]) {
      const answer = await fetch(`http://127.0.0.1:${server.local.port}/api/v1/${path}`, {
        method: method ?? '',
        headers: JSON_TYPE,
      });
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /needs admin\.token/);
    }
    assert.deepEqual(operations.calls, []);
  });
});

describe('what may be asked', () => {
  const cases: [string, string, string | undefined, number, unknown[] | undefined][] = [
    ['GET', 'status', undefined, 200, undefined],
    ['HEAD', 'status', undefined, 200, undefined],
    ['GET', 'clients', undefined, 200, ['clients', undefined]],
    ['GET', 'clients?service=pair&limit=1', undefined, 200, ['clients', 'pair']],
    ['GET', 'clients?service=dns', undefined, 400, undefined],
    ['GET', 'clients?limit=-1', undefined, 400, undefined],
    ['GET', 'flows?service=turn', undefined, 200, ['flows', 'turn']],
    ['GET', 'blocks', undefined, 200, undefined],
    ['POST', 'blocks', '{"prefix":"192.0.2.0/24","for":"1h","reason":"r"}', 201, ['block', '192.0.2.0/24', 3600, 'r']],
    ['POST', 'blocks', '{"prefix":"192.0.2.1"}', 201, ['block', '192.0.2.1', undefined, '']],
    ['POST', 'blocks', '{"prefix":"192.0.2.1/24"}', 400, undefined],
    ['POST', 'blocks', '{"prefix":7}', 400, undefined],
    ['POST', 'blocks', '{"prefix":"192.0.2.1","for":"ever"}', 400, undefined],
    ['POST', 'blocks', '{"prefix":"192.0.2.1","for":3600}', 400, undefined],
    ['POST', 'blocks', '{"prefix":"192.0.2.1","for":"0s"}', 400, undefined],
    ['POST', 'blocks', '{"prefix":"192.0.2.1","for":"999999999d"}', 400, undefined],
    ['POST', 'blocks', '{"prefix":"192.0.2.1","until":"1h"}', 400, undefined],
    ['POST', 'blocks', `{"prefix":"192.0.2.1","reason":"${'x'.repeat(201)}"}`, 400, undefined],
    ['POST', 'blocks', '[]', 400, undefined],
    ['POST', 'blocks', '{', 400, undefined],
    ['POST', 'blocks', `{"prefix":"192.0.2.1"${' '.repeat(17_000)}}`, 413, undefined],
    ['DELETE', 'blocks?prefix=192.0.2.1', undefined, 200, ['unblock', '192.0.2.1']],
    ['DELETE', 'blocks', '{"prefix":"192.0.2.2"}', 404, ['unblock', '192.0.2.2']],
    ['DELETE', 'blocks', '{"prefix":"192.0.2.3"}', 409, ['unblock', '192.0.2.3']],
    ['DELETE', 'blocks', undefined, 400, undefined],
    ['POST', 'reload', undefined, 422, ['reload']],
    ['POST', 'drain', '{}', 200, ['drain']],
    ['GET', 'drain', undefined, 200, undefined],
    ['DELETE', 'drain', undefined, 200, ['resume']],
    ['GET', 'openapi.json', undefined, 200, undefined],
    ['GET', 'reload', undefined, 405, undefined],
    ['PUT', 'blocks', '{}', 405, undefined],
    ['GET', '', undefined, 404, undefined],
    ['GET', 'toString', undefined, 404, undefined],
    ['GET', '__proto__', undefined, 404, undefined],
    ['GET', 'status/', undefined, 404, undefined],
  ];
  for (const [method, path, body, status, call] of cases) {
    test(`${method} ${path} ${body?.slice(0, 60) ?? ''} → ${status}`, async (context) => {
      const { ask, operations } = await open(context);
      const headers = { ...BEARER, ...JSON_TYPE };
      const answer = await ask({ method, path: `/api/v1/${path}`, headers, ...(body !== undefined && { body }) });
      assert.equal(answer.status, status, answer.text);
      assert.deepEqual(operations.calls, call === undefined ? [] : [call]);
      if (method !== 'HEAD') assert.equal(typeof JSON.parse(answer.text), 'object');
    });
  }

  test('the description names every path and method that there is', async (context) => {
    const { ask } = await open(context);
    const described = JSON.parse((await ask({ path: '/api/v1/openapi.json', headers: BEARER })).text);
    assert.equal(described.openapi, '3.1.0');
    for (const [path, methods] of Object.entries(described.paths)) {
      const wrong = await ask({ method: 'PATCH', path: `/api/v1${path}`, headers: { ...BEARER, ...JSON_TYPE } });
      const allowed = String(wrong.headers.allow).toLowerCase().split(', ').sort();
      assert.deepEqual(Object.keys(methods as object).sort(), allowed, path);
    }
  });

  test('a failure of ours is a 500 and a report', async (context) => {
    const { ask, operations, errors } = await open(context);
    operations.faulty = true;
    const answer = await ask({ method: 'POST', path: '/api/v1/reload', headers: { ...BEARER, ...JSON_TYPE } });
    assert.deepEqual([answer.status, errors.length], [500, 1]);
    assert.ok(!answer.text.includes('broken'));
  });
});

describe('long lists', () => {
  test('as JSON, as lines, and cut', async (context) => {
    const { ask, operations } = await open(context);
    operations.clientCount = 1234;
    const whole = await ask({ path: '/api/v1/clients?limit=0', headers: BEARER });
    const { clients, truncated } = JSON.parse(whole.text);
    assert.deepEqual([clients.length, truncated], [1234, false]);
    const cut = JSON.parse((await ask({ path: '/api/v1/clients', headers: BEARER })).text);
    assert.deepEqual([cut.clients.length, cut.truncated], [1000, true]);
    const lines = await ask({
      path: '/api/v1/clients?limit=0',
      headers: { ...BEARER, Accept: 'application/x-ndjson' },
    });
    assert.equal(lines.headers['content-type'], 'application/x-ndjson');
    assert.equal(
      lines.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)).length,
      1234,
    );
  });

  test('go at the pace of their reader, and end with him', async (context) => {
    const { send, operations } = await open(context);
    operations.clientCount = 1_000_000;
    const response = await send({ path: '/api/v1/clients?limit=0', headers: BEARER });
    response.pause();
    const settled = async () => {
      let before = -1;
      while (operations.walked !== before) {
        before = operations.walked;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return before;
    };
    const waiting = await settled();
    assert.ok(waiting < 200_000, `${waiting} were walked through though nobody reads`);
    response.destroy();
    assert.ok((await settled()) < waiting + 1000);
  });
});
