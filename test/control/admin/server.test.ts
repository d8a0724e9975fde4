import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { type AdminOptions, openAdmin } from '../../../src/control/admin/server.ts';
import { afterwards } from '../../afterwards.ts';

const TOKEN = '0123456789abcdef';

async function open(context: { after(hook: () => Promise<void>): void }, options: Partial<AdminOptions> = {}) {
  const server = await openAdmin({
    listen: { family: 4, address: '127.0.0.1', port: 0 },
    notReady: () => undefined,
    metrics: () => 'm 1\n',
    metricsType: 'text/plain; version=0.0.4',
    onError: () => {},
    ...options,
  });
  afterwards(context, () => server.close());
  return server.local.port;
}

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
}

/** Not fetch, which chooses the Host header itself. */
async function ask(port: number, { method = 'GET', path, headers = {} }: Asked) {
  const sent = request({ host: '127.0.0.1', port, method, path, headers }).end();
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode as number, headers: response.headers, body };
}

describe('without a token', () => {
  const cases: (Asked & { status: number })[] = [
    { path: '/', status: 200 },
    { path: '/healthz', status: 200 },
    { path: '/readyz?verbose', status: 200 },
    { path: '/metrics', status: 200 },
    { path: '/metrics', method: 'HEAD', status: 200 },
    { path: '/metrics', method: 'POST', status: 405 },
    { path: '/metrics/', status: 404 },
    { path: '/../etc/passwd', status: 404 },
    { path: '/metrics', headers: { Host: 'localhost:8666' }, status: 200 },
    { path: '/metrics', headers: { Host: '[::1]:8666' }, status: 200 },
    { path: '/metrics', headers: { Host: 'evil.example' }, status: 403 },
    { path: '/metrics', headers: { Host: '127.0.0.1.evil.example' }, status: 403 },
    { path: '/metrics', headers: { Host: 'localhost.evil.example:8666' }, status: 403 },
    { path: '/healthz', headers: { Host: '10.1.2.3' }, status: 200 },
  ];
  for (const { status, ...asked } of cases) {
    test(`${asked.method ?? 'GET'} ${asked.path} ${JSON.stringify(asked.headers ?? {})} → ${status}`, async (context) => {
      const answer = await ask(await open(context), asked);
      assert.equal(answer.status, status);
      if (status === 405) assert.equal(answer.headers.allow, 'GET, HEAD');
      if (asked.method === 'HEAD') assert.equal(answer.body, '');
    });
  }
});

describe('with a token', () => {
  const cases: { path: string; authorization?: string; status: number }[] = [
    { path: '/metrics', status: 401 },
    { path: '/', status: 401 },
    { path: '/nothing', status: 401 },
    { path: '/metrics', authorization: 'Bearer wrong', status: 401 },
    { path: '/metrics', authorization: `Bearer ${TOKEN}x`, status: 401 },
    { path: '/metrics', authorization: `Basic ${TOKEN}`, status: 401 },
    { path: '/metrics', authorization: `Bearer ${TOKEN}`, status: 200 },
    { path: '/healthz', status: 200 },
    { path: '/readyz', status: 200 },
  ];
  for (const { path, authorization, status } of cases) {
    test(`GET ${path} ${authorization ?? ''} → ${status}`, async (context) => {
      const headers: Record<string, string> = {
        Host: 'relay.example',
        ...(authorization && { Authorization: authorization }),
      };
      const answer = await ask(await open(context, { token: TOKEN }), { path, headers });
      assert.equal(answer.status, status);
      if (status === 401) assert.match(String(answer.headers['www-authenticate']), /^Bearer/);
    });
  }
});

test('readiness says why not', async (context) => {
  const answer = await ask(await open(context, { notReady: () => 'stopping' }), { path: '/readyz' });
  assert.deepEqual([answer.status, answer.body], [503, 'not ready: stopping\n']);
});

test('a route that fails is a 500 and a report, not the end', async (context) => {
  const reports: unknown[] = [];
  const broken = () => {
    throw new Error('broken');
  };
  const port = await open(context, { metrics: broken, onError: (error) => reports.push(error) });
  assert.equal((await ask(port, { path: '/metrics' })).status, 500);
  assert.equal(reports.length, 1);
  assert.equal((await ask(port, { path: '/healthz' })).status, 200);
});

test('headers beyond 8 KiB are cut off', async (context) => {
  const port = await open(context);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk));
  await once(socket, 'close');
  assert.doesNotMatch(answer, /200 OK/);
});

test('a port that is taken is a rejection', async (context) => {
  const port = await open(context);
  await assert.rejects(open(context, { listen: { family: 4, address: '127.0.0.1', port } }), { code: 'EADDRINUSE' });
});

test('a crowd that never finishes its requests keeps no probe out', async (context) => {
  const port = await open(context, { token: TOKEN });
  const crowd: Socket[] = [];
  afterwards(context, () => {
    for (const socket of crowd) socket.destroy();
  });
  for (let count = 0; count < 700; count++) {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /healthz HTTP/1.1\r\nHost: x'));
    socket.on('error', () => {});
    crowd.push(socket);
    // In the pace in which connections are accepted.
    if (count % 50 === 0) await once(socket, 'connect');
  }
  for (const path of ['/healthz', '/readyz']) assert.equal((await ask(port, { path })).status, 200);
});
