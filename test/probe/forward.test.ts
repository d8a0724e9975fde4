import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { runProbe } from '../../src/probe/probe.ts';
import { afterwards } from '../afterwards.ts';

test('tcp: a connection that stays open, or says something, works', async (t) => {
  for (const greeting of ['', '220 ready\r\n']) {
    const port = await tcp(t, (socket) => greeting !== '' && socket.end(greeting));
    const { code, out } = await probe(`tcp:127.0.0.1:${port}`);
    assert.equal(code, 0, out);
    assert.match(out, greeting === '' ? /it stays open/ : /11 bytes came/);
  }
});

test('tcp: a connection that is closed at once, or refused, does not', async (t) => {
  const port = await tcp(t, (socket) => socket.end());
  const closed = await probe(`tcp:127.0.0.1:${port}`);
  assert.equal(closed.code, 1);
  assert.match(
    closed.err,
    /answer failed: the connection was closed at once; likely cause: the forward has no upstream/,
  );
  const refused = await probe('tcp:127.0.0.1:1');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /nothing listens on TCP port 1/);
});

test('udp: an answer works; none, or a refusal, does not', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  afterwards(t, () => socket.close());
  await once(socket, 'listening');
  const { port } = socket.address();
  const silent = await probe(`udp:127.0.0.1:${port}`);
  assert.equal(silent.code, 1);
  assert.match(silent.err, /no answer within 700 ms/);
  socket.on('message', (packet, from) => socket.send(packet, from.port, from.address));
  assert.equal((await probe(`udp:127.0.0.1:${port}`)).code, 0);
  assert.match((await probe('udp:127.0.0.1:1')).err, /nothing listens on UDP port 1/);
});

async function probe(url: string) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProbe(url, { timeout: 700, out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function tcp(t: TestContext, greet: (socket: import('node:net').Socket) => unknown): Promise<number> {
  const server = createServer(greet).listen(0, '127.0.0.1');
  afterwards(t, () => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
