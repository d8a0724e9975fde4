import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ConnectSpec, EngineMisuse, type ListenSpec } from '../../../src/engine/engine.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { StreamId } from '../../../src/net/ids.ts';
import { UNIX_ENDPOINT } from '../../../src/net/stream-target.ts';
import { afterwards } from '../../afterwards.ts';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { type Bound, type ConformanceOptions, loopback, Rig, until } from './rig.ts';

const MIB = 1024 * 1024;

/** Streams that the engine connects, and pairs of streams between which it moves bytes by itself. */
export function joinTests(options: ConformanceOptions): void {
  test('a joined pair carries 100 MB both ways at once, unchanged and counted', async (t) => {
    const { rig, client, upstream, a, b } = await joined(t, options);
    const size = 50 * MIB;
    const [up, down] = await Promise.all([transfer(client, upstream, size), transfer(upstream, client, size)]);
    assert.equal(up.received, up.sent);
    assert.equal(down.received, down.sent);
    await until(() => rig.ends.size === 2, 'the end of both');
    assert.deepEqual(rig.ends.get(a), { bytes: size, clean: true });
    assert.deepEqual(rig.ends.get(b), { bytes: size, clean: true });
    assert.deepEqual(rig.engine.stats().traffic, [
      { service: 'forward', direction: 'to_peer', packets: 0, bytes: size },
      { service: 'forward', direction: 'to_client', packets: 0, bytes: size },
    ]);
  });

  test('a half-close is passed on, and the other way goes on', async (t) => {
    const { rig, client, upstream, a, b } = await joined(t, options);
    const asked = collect(upstream);
    client.end('the question');
    assert.equal((await asked).toString(), 'the question');
    assert.deepEqual([rig.engine.streamBytes(a), rig.engine.streamBytes(b)], [12, 0]);
    assert.equal(rig.ends.size, 0);
    const answered = collect(client);
    upstream.end('the answer');
    assert.equal((await answered).toString(), 'the answer');
    await until(() => rig.ends.size === 2, 'the end of both');
    assert.equal(rig.engine.streamBytes(a), undefined);
  });

  test('a reset is passed on as a reset', async (t) => {
    const { rig, client, upstream } = await joined(t, options);
    const reset = once(client, 'error');
    upstream.resetAndDestroy();
    assert.equal((await reset)[0].code, 'ECONNRESET');
    await until(() => rig.ends.size === 2, 'the end of both');
    assert.deepEqual(new Set([...rig.ends.values()].map(({ clean }) => clean)), new Set([false]));
  });

  test('a reader that takes nothing stops the writer, and gets everything later', async (t) => {
    const { rig, client, upstream } = await joined(t, options);
    upstream.pause();
    const before = process.memoryUsage().external;
    let written = 0;
    const chunk = randomBytes(MIB);
    // Socket buffers of the kernel take some megabytes; what the engine takes beyond is a few hundred kilobytes.
    for (; written < 64; written++) client.write(chunk);
    await quiet(() => rig.engine.stats().traffic[0]?.bytes ?? 0);
    const moved = rig.engine.stats().traffic[0]?.bytes ?? 0;
    assert.ok(moved < 48 * MIB, `${moved} bytes were taken though nobody reads`);
    assert.ok(process.memoryUsage().external - before < 70 * MIB, "what waits is the test's own");
    const got = collect(upstream);
    client.end();
    assert.equal((await got).length, written * MIB);
  });

  test('silence for as long as it may last ends both', async (t) => {
    const { rig, client } = await joined(t, options, 50);
    await closing(client);
    await until(() => rig.ends.size === 2, 'the end of both');
  });

  test('closing one end ends the other', async (t) => {
    const { rig, client, a, b } = await joined(t, options);
    const closed = closing(client);
    rig.engine.closeStream(b);
    await closed;
    await until(() => rig.ends.size === 1, 'the end of the client');
    assert.deepEqual(rig.closedStreams, [a]);
  });

  test('what is written and read before the join stays in front', async (t) => {
    const { rig, client, a } = await accepted(t, options);
    client.write('header|data');
    assert.equal(rig.streamBytes.get(a), undefined);
    rig.engine.read(a);
    await until(() => rig.streamBytes.has(a), 'the first chunk');
    assert.equal(rig.streamBytes.get(a)?.toString(), 'header|data');
    client.write('|more');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(rig.streamBytes.get(a)?.toString(), 'header|data', 'held again');
    const { upstream, b } = await connected(t, rig);
    rig.engine.write(b, Buffer.from('new header|data'), false);
    rig.engine.join(a, b, { service: 'forward', idle: 0 });
    const got = collect(upstream);
    client.end();
    assert.equal((await got).toString(), 'new header|data|more');
  });

  test('a connect may say what follows: what is written first, and whom it is joined with', async (t) => {
    const { rig, client, a } = await accepted(t, options);
    client.write('from the client');
    const { upstream, b } = await connected(t, rig, {
      join: { with: a, first: Buffer.from('header|'), service: 'forward', idle: 0 },
    });
    const [asked, answered] = [collect(upstream), collect(client)];
    client.end();
    assert.equal((await asked).toString(), 'header|from the client');
    assert.throws(() => rig.engine.join(a, b, { service: 'forward', idle: 0 }), EngineMisuse);
    upstream.end('an answer');
    assert.equal((await answered).toString(), 'an answer');
    await until(() => rig.ends.size === 2, 'the end of both');
    assert.deepEqual(rig.ends.get(a), { bytes: 15, clean: true });
  });

  test('a connect whose client is gone when it is made ends', async (t) => {
    const { rig, client, a } = await accepted(t, options);
    rig.engine.closeStream(a);
    client.destroy();
    const join = { with: a, first: Buffer.alloc(0), service: 'forward', idle: 0 } as const;
    const { b } = await connected(t, rig, { join });
    await until(() => rig.ends.has(b), 'the end of the connection');
  });

  test('a held stream that ends while somebody asks is closed', async (t) => {
    const { rig, client, a } = await accepted(t, options);
    rig.engine.read(a);
    client.end();
    await until(() => rig.closedStreams.length === 1, 'the end');
    assert.deepEqual(rig.closedStreams, [a]);
  });

  test('joining what is gone ends the other; joining twice is misuse', async (t) => {
    const { rig, a, b } = await joined(t, options);
    assert.throws(() => rig.engine.join(a, b, { service: 'forward', idle: 0 }), EngineMisuse);
    assert.throws(() => rig.engine.read(a), EngineMisuse);
    const again = await connected(t, rig);
    rig.engine.join(rig.ids.stream(), again.b, { service: 'forward', idle: 0 });
    await until(() => rig.ends.has(again.b), 'the end of the one that is there');
  });

  test('a connect that is refused, or not answered in time, is a result', async (t) => {
    const rig = await Rig.start(t, options);
    const closed = await listening(t);
    closed.server.close();
    assert.equal((await tryConnect(rig, { to: closed.local, timeout: PATIENCE_MILLIS })).failure, 'refused');
    assert.equal(
      (await tryConnect(rig, { to: { path: '/nowhere/at/all' }, timeout: PATIENCE_MILLIS })).failure,
      'refused',
    );
    const full = await withoutAccept(t);
    assert.equal((await tryConnect(rig, { to: full, timeout: 50 })).failure, 'timeout');
    const from = { family: 4, address: '192.0.2.77', port: 0 } as const;
    assert.equal((await tryConnect(rig, { to: full, timeout: 50, from })).failure, 'no-address');
  });

  test('a connect that is closed is not answered', async (t) => {
    const rig = await Rig.start(t, options);
    const { local } = await listening(t);
    const id = rig.ids.stream();
    rig.engine.connect(id, { to: local, timeout: 1000 });
    rig.engine.closeStream(id);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(rig.connected.size, 0);
  });

  test('a connect can choose the address that it comes from', async (t) => {
    const rig = await Rig.start(t, options);
    const from = { family: 4, address: '127.0.0.9', port: 0 } as const;
    const { upstream } = await connected(t, rig, { from });
    assert.equal(upstream.remoteAddress, '127.0.0.9');
  });

  test('a listener that stops leaves its streams alone', async (t) => {
    const { rig, client, upstream, listener } = await joined(t, options);
    await rig.engine.stopListening(listener.id);
    const refused = connect(listener.local.port, listener.local.address);
    assert.equal((await once(refused, 'error'))[0].code, 'ECONNREFUSED');
    const got = collect(upstream);
    client.end('still here');
    assert.equal((await got).toString(), 'still here');
    assert.throws(() => rig.engine.stopListening(listener.id), EngineMisuse);
  });

  test('unix sockets on both sides; one that was left behind is replaced, a file is not', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'culvert-unix-'));
    afterwards(t, () => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'in.sock');
    await leaveBehind(path);
    const rig = await Rig.start(t, options);
    const listener = rig.ids.socket();
    const result = await rig.engine.listen(listener, { transport: 'unix', path, maxStreams: 5 });
    assert.deepEqual(result, { ok: true, local: UNIX_ENDPOINT });

    const out = join(folder, 'out.sock');
    const server = createServer({ allowHalfOpen: true }).listen(out);
    afterwards(t, () => server.close());
    await once(server, 'listening');
    const accepting = once(server, 'connection');
    const client = connect(path);
    await until(() => rig.streams.length === 1, 'a stream');
    assert.deepEqual(rig.streams[0]?.from, UNIX_ENDPOINT);
    const b = rig.ids.stream();
    rig.engine.connect(b, { to: { path: out }, timeout: PATIENCE_MILLIS });
    await until(() => rig.connected.has(b), 'the connection');
    rig.engine.join(rig.streams[0]?.stream as StreamId, b, { service: 'forward', idle: 0 });
    const [upstream] = (await accepting) as [Socket];
    const got = collect(upstream);
    client.end('through the file system');
    assert.equal((await got).toString(), 'through the file system');
    upstream.end();

    const second = await rig.engine.listen(rig.ids.socket(), { transport: 'unix', path, maxStreams: 5 });
    assert.equal(second.ok ? '' : second.failure, 'in-use');
    const file = join(folder, 'a-file');
    writeFileSync(file, 'precious');
    const onFile = await rig.engine.listen(rig.ids.socket(), { transport: 'unix', path: file, maxStreams: 5 });
    assert.equal(onFile.ok ? '' : onFile.failure, 'in-use');
  });
}

/** A client of a held listener, joined with an upstream of the test's own. */
async function joined(t: TestContext, options: ConformanceOptions, idle = 0) {
  const { rig, client, a, listener } = await accepted(t, options);
  const { upstream, b } = await connected(t, rig);
  rig.engine.join(a, b, { service: 'forward', idle });
  return { rig, client, upstream, a, b, listener };
}

async function accepted(t: TestContext, options: ConformanceOptions) {
  const rig = await Rig.start(t, options);
  const spec: ListenSpec = {
    transport: 'tcp',
    local: loopback(4),
    maxStreams: 10,
    held: true,
    keepAlive: { idle: 60_000, interval: 10_000, count: 3 },
  };
  const id = rig.ids.socket();
  const result = await rig.engine.listen(id, spec);
  assert.ok(result.ok);
  const listener: Bound = { id, local: result.local };
  const client = connect({ host: result.local.address, port: result.local.port, allowHalfOpen: true });
  afterwards(t, () => client.destroy());
  await once(client, 'connect');
  await until(() => rig.streams.length === 1, 'a stream');
  return { rig, client, a: rig.streams[0]?.stream as StreamId, listener };
}

async function connected(t: TestContext, rig: Rig, parts: Partial<ConnectSpec> = {}) {
  const { server, local } = await listening(t);
  const accepting = once(server, 'connection');
  const b = rig.ids.stream();
  rig.engine.connect(b, {
    to: local,
    timeout: PATIENCE_MILLIS,
    keepAlive: { idle: 1000, interval: 1000, count: 3 },
    ...parts,
  });
  const [upstream] = (await accepting) as [Socket];
  afterwards(t, () => upstream.destroy());
  // Some of these tests are about resets.
  upstream.on('error', () => {});
  await until(() => rig.connected.has(b), 'the connection');
  assert.deepEqual(rig.connected.get(b), { ok: true });
  return { upstream, b };
}

async function tryConnect(rig: Rig, spec: ConnectSpec): Promise<{ failure: string }> {
  const id = rig.ids.stream();
  rig.engine.connect(id, spec);
  assert.equal(rig.connected.has(id), false, 'the answer never comes from inside the call');
  await until(() => rig.connected.has(id), 'the answer to connect');
  const result = rig.connected.get(id);
  return { failure: result === undefined || result.ok ? '' : result.failure };
}

async function listening(t: TestContext, backlog?: number): Promise<{ server: Server; local: Endpoint }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen({ host: '127.0.0.1', port: 0, ...(backlog && { backlog }) });
  afterwards(t, () => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { server, local: { ...loopback(4), port: address.port } };
}

/** An endpoint that answers no connect. */
export async function withoutAccept(t: TestContext): Promise<Endpoint> {
  const { execPath } = process;
  const { spawn } = await import('node:child_process');
  // A process that is stopped accepts nothing; its short queue is filled below.
  const script = `const s=require('net').createServer().listen({host:'127.0.0.1',port:0,backlog:1},()=>console.log(s.address().port))`;
  const child = spawn(execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  afterwards(t, () => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  const local = { ...loopback(4), port: Number(line) };
  for (let n = 0; n < 4; n++) {
    const filler = connect({ host: local.address, port: local.port });
    filler.on('error', () => {});
    afterwards(t, () => filler.destroy());
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  return local;
}

/** The socket file of a process that was killed. */
async function leaveBehind(path: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(path)},()=>console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function transfer(from: Socket, to: Socket, size: number): Promise<{ sent: string; received: string }> {
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let got = 0;
  to.on('data', (chunk: Buffer) => {
    received.update(chunk);
    got += chunk.length;
  });
  const ended = once(to, 'end');
  for (let done = 0; done < size; done += MIB) {
    const chunk = randomBytes(MIB);
    sent.update(chunk);
    if (!from.write(chunk)) await once(from, 'drain');
  }
  from.end();
  await ended;
  assert.equal(got, size);
  return { sent: sent.digest('hex'), received: received.digest('hex') };
}

async function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Its end, by whatever way. */
function closing(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  socket.once('end', () => socket.destroy());
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Waits until a number stands still. */
async function quiet(read: () => number): Promise<void> {
  for (let before = -1; before !== read(); ) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
