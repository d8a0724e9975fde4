import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket as Udp } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPortableEngine } from '../../src/engine/portable/portable.ts';
import { IdSource } from '../../src/net/ids.ts';
import type { Resolution } from '../../src/net/resolution.ts';
import { Driver } from '../../src/runtime/driver.ts';
import { ForwardHost } from '../../src/runtime/forward-host.ts';
import { standalone } from '../../src/service/common.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { until } from '../engine/conformance/rig.ts';
import { freePort } from '../ports.ts';
import { echoServer, listen } from './echo-server.ts';
import { settings } from './forward-settings.ts';

const MIB = 1024 * 1024;

test('bytes go through unchanged, and the answer comes back after the half-close', async (t) => {
  const upstream = await echoServer(t);
  const { port } = await forward(t, `to: "tcp://127.0.0.1:${upstream.port}"`);
  const sent = randomBytes(20 * MIB);
  const got = await exchange(port, sent);
  assert.equal(digest(got), digest(sent));
});

test('500 connections at once', async (t) => {
  const upstream = await echoServer(t);
  const { port, host } = await forward(t, `to: "tcp://127.0.0.1:${upstream.port}"`);
  const payloads = Array.from({ length: 500 }, () => randomBytes(2000));
  const got = await Promise.all(payloads.map((payload) => exchange(port, payload)));
  for (const [n, bytes] of got.entries()) assert.equal(digest(bytes), digest(payloads[n] ?? Buffer.of()));
  await until(() => host.service.clientsLeft === 0, 'the end of all');
  assert.equal(host.metrics().forwards[0]?.counts.connected, 500);
});

test('a refused upstream is passed over, one that vanished resets its clients', async (t) => {
  const upstream = await echoServer(t);
  const { port, host } = await forward(t, `to: ["tcp://127.0.0.1:1", "tcp://127.0.0.1:${upstream.port}"]`);
  assert.equal((await exchange(port, Buffer.from('hello'))).toString(), 'hello');
  assert.equal(host.metrics().forwards[0]?.counts.failed, 1);
  const client = await open(t, port);
  client.write('x');
  await once(client, 'data');
  const reset = once(client, 'error');
  for (const socket of upstream.sockets) socket.resetAndDestroy();
  assert.equal((await reset)[0].code, 'ECONNRESET');
});

test('an upstream by a name that moves: new connections follow, the others stay', async (t) => {
  const first = await tellingServer(t, 'first', '127.0.0.1', await freePort());
  const other = await tellingServer(t, 'second', '127.0.0.2', first.port);
  let address = '127.0.0.1';
  // Named as loopback is, because nothing else may lead there.
  const resolve = async (): Promise<Resolution> => ({ ok: true, addresses: [address], ttl: 5000 });
  const { port, host, driver } = await forward(t, `to: "tcp://app.localhost:${first.port}"`, { resolve });
  const before = await open(t, port);
  assert.equal((await once(before, 'data')).toString(), 'first');
  address = '127.0.0.2';
  driver.run(host.service, (now) =>
    host.service.handleResolved('app.localhost', { ok: true, addresses: [address], ttl: 5000 }, now),
  );
  const after = await open(t, port);
  assert.equal((await once(after, 'data')).toString(), 'second');
  before.write('?');
  assert.equal((await once(before, 'data')).toString(), 'first');
  assert.ok(other.port);
});

test('UDP clients are kept apart, and hear nobody but the upstream', async (t) => {
  const upstream = await udp(t);
  const seen = new Map<number, string[]>();
  upstream.on('message', (packet, from) => {
    seen.set(from.port, [...(seen.get(from.port) ?? []), packet.toString()]);
    upstream.send(`${packet} to you`, from.port, from.address);
  });
  const { port, host } = await forward(t, `to: "udp://127.0.0.1:${upstream.address().port}"`, { scheme: 'udp' });
  const clients = await Promise.all(Array.from({ length: 20 }, () => udp(t)));
  const got = clients.map(() => [] as string[]);
  for (const [n, client] of clients.entries()) client.on('message', (packet) => got[n]?.push(packet.toString()));
  for (const round of ['a', 'b', 'c']) {
    for (const [n, client] of clients.entries()) client.send(`${round}${n}`, port, '127.0.0.1');
    await until(() => got.every((one) => one.at(-1)?.startsWith(round)), `round ${round}`);
  }
  for (const [n, one] of got.entries())
    assert.deepEqual(
      one,
      ['a', 'b', 'c'].map((round) => `${round}${n} to you`),
    );
  assert.equal(seen.size, 20, 'each has a port of his own');
  for (const texts of seen.values()) assert.equal(new Set(texts.map((text) => text.slice(1))).size, 1);
  const stranger = await udp(t);
  const [session] = seen.keys();
  stranger.send('forged', session ?? 0, '127.0.0.1');
  await until(() => new Map(host.service.stats().drops.entries()).get('foreign-reply') === 1, 'the drop');
  assert.ok(got.every((one) => !one.includes('forged')));
});

test('PROXY v2 out, and through a unix socket', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  const server = createServer((socket) => socket.once('data', (chunk) => socket.end(chunk)));
  server.listen(path);
  afterwards(t, () => server.close());
  await once(server, 'listening');
  const { port } = await forward(t, `to: "unix://${path}", proxyOut: v2`);
  const client = await open(t, port);
  client.write('data');
  const [chunk] = (await once(client, 'data')) as [Buffer];
  assert.equal(chunk.subarray(0, 16).toString('hex'), '0d0a0d0a000d0a515549540a2111000c');
  assert.equal(chunk.readUInt16BE(24), client.localPort);
  assert.equal(chunk.readUInt16BE(26), port);
});

test('reload adds and removes forwards and cuts nobody', async (t) => {
  const upstream = await echoServer(t);
  const to = `to: "tcp://127.0.0.1:${upstream.port}"`;
  const { port, host } = await forward(t, to);
  const kept = await open(t, port);
  const second = `{ name: second, listen: "tcp://127.0.0.1:0", ${to} }`;
  const first = `{ name: test, listen: "tcp://127.0.0.1:0", ${to} }`;
  assert.deepEqual(await host.apply(await settings(t, [first, second])), []);
  const [one, two] = host.forwards();
  assert.equal(one?.local.port, port, 'what did not change is not opened again');
  const gone = await open(t, two?.local.port ?? 0);
  assert.deepEqual(await host.apply(await settings(t, [first])), []);
  await assert.rejects(open(t, two?.local.port ?? 0), { code: 'ECONNREFUSED' });
  for (const client of [kept, gone]) {
    client.write('still here');
    assert.equal((await once(client, 'data')).toString(), 'still here');
  }
  assert.deepEqual(await host.apply(await settings(t, [second])), []);
  kept.write('and now');
  assert.equal((await once(kept, 'data')).toString(), 'and now');
});

test('a range of ports, each to its own', async (t) => {
  const base = await freePort();
  const servers = [
    await tellingServer(t, 'zero', '127.0.0.3', base),
    await tellingServer(t, 'one', '127.0.0.3', base + 1),
  ];
  assert.equal(servers.length, 2);
  const entry = `{ name: range, listen: "tcp://127.0.0.4:${base}-${base + 1}", to: "tcp://127.0.0.3:${base}-${base + 1}" }`;
  const { host } = await start(t);
  assert.deepEqual(await host.apply(await settings(t, [entry])), []);
  const told: string[] = [];
  for (const offset of [0, 1]) told.push((await once(await open(t, base + offset, '127.0.0.4'), 'data')).toString());
  assert.deepEqual(told, ['zero', 'one']);
});

interface Parts {
  readonly scheme?: string;
  readonly resolve?: (name: string) => Promise<Resolution>;
}

async function forward(t: TestContext, parts: string, { scheme = 'tcp', resolve }: Parts = {}) {
  const { driver, host } = await start(t, resolve);
  const failures = await host.apply(await settings(t, [`{ name: test, listen: "${scheme}://127.0.0.1:0", ${parts} }`]));
  assert.deepEqual(failures, []);
  return { driver, host, port: host.forwards()[0]?.local.port ?? 0 };
}

async function start(t: TestContext, resolve?: (name: string) => Promise<Resolution>) {
  const ids = new IdSource();
  const driver = new Driver({
    ids,
    createEngine: (sink) => createPortableEngine({ sink, ids }),
    onEvent: () => {},
    ...(resolve && { resolve }),
  });
  afterwards(t, () => driver.stop());
  return {
    driver,
    host: new ForwardHost({ forward: [], driver, ids, common: standalone((length) => randomBytes(length)) }),
  };
}

/** Says its name at the start, and each time that it hears something. */
async function tellingServer(t: TestContext, name: string, address: string, port = 0): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => socket.write(name));
    socket.write(name);
  });
  return { port: await listen(t, server, address, port, sockets) };
}

async function udp(t: TestContext): Promise<Udp> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  afterwards(t, () => socket.close());
  await once(socket, 'listening');
  return socket;
}

async function open(t: TestContext, port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true });
  afterwards(t, () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Sends everything, ends, and collects what comes back. */
async function exchange(port: number, sent: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(sent);
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
