import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { enableCompileCache } from 'node:module';
import { connect, type Socket } from 'node:net';
import { after, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { openDescriptors } from '../../../src/sys/fd.ts';
import { addressOf } from '../../../src/sys/ffi.ts';
import { streamCalls } from '../../../src/sys/stream-calls.ts';
import { afterwards } from '../../afterwards.ts';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { missing } from '../../requirements.ts';
import { type Bound, type ConformanceOptions, loopback, Rig, until } from '../conformance/rig.ts';
import { descriptors } from '../descriptors.ts';
import { echoServer } from './standing-rig.ts';

enableCompileCache();

// What only streams in workers can get wrong.
describe('streams in workers', { skip: missing('ffi') }, () => {
  for (const workers of [1, 2]) {
    test(`2,000 connections of any size, ended by either side first, arrive whole: ${workers} worker(s)`, async (t) => {
      const forward = await Forward.start(t, { workers });
      const before = descriptors();
      const sizes = Array.from({ length: 2000 }, (_, n) => randomSize(n));
      const tasks = sizes.map((size, n) => async () => exchange(forward.local, size, n));
      await inTurns(tasks, 50);
      await until(() => forward.rig.ends.size === 4000, 'the end of all streams');
      const unclean = [...forward.rig.ends.values()].filter(({ clean }) => !clean);
      assert.equal(unclean.length, 0);
      const moved = forward.rig.engine.stats().traffic.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.equal(
        moved,
        sizes.reduce((sum, size) => sum + 2 * size, 0),
      );
      // Pipes wait for the next: nothing else is left.
      await until(() => descriptors().sockets <= before.sockets, 'sockets to be closed');
      assert.ok(descriptors().pipes - before.pipes <= 2 * 64 * workers, `${descriptors().pipes} pipes`);
      assert.equal(forward.rig.drops('engine', 'stream-error'), 0);
    });
  }

  test('readers that take nothing hold little each, and silent streams hold no pipe', async (t) => {
    const forward = await Forward.start(t, { hold: true });
    const clients = [await open(forward.local)];
    await until(() => forward.upstreams.length === 1, 'the worker');
    const before = descriptors();
    for (let n = 1; n < READERS; n++) clients.push(await open(forward.local));
    afterwards(t, () => {
      for (const client of clients) client.destroy();
    });
    await until(() => forward.upstreams.length === READERS, 'all upstreams');
    assert.ok(descriptors().pipes === before.pipes, 'nothing was sent yet');
    const chunk = randomBytes(16 * MIB);
    for (const client of clients) client.write(chunk);
    const moved = (): number => forward.rig.engine.stats().traffic[0]?.bytes ?? 0;
    await standstill(moved);
    // The kernel's buffers of two sockets, some megabytes each, and a part of the 64 MiB that all pipes have together.
    assert.ok(moved() < READERS * 14 * MIB, `${moved() / READERS / MIB} MiB for each`);
    let received = 0;
    for (const socket of forward.upstreams) {
      socket.on('data', (bytes: Buffer) => (received += bytes.length));
      socket.resume();
    }
    await until(() => received >= READERS * chunk.length, 'everything');
    assert.equal(received, READERS * chunk.length);
    await until(() => descriptors().pipes - before.pipes <= 2 * 64, 'pipes to be given back');
  });

  test('a small packet waits for nothing', async (t) => {
    const forward = await Forward.start(t, { hold: true });
    const client = await open(forward.local);
    afterwards(t, () => client.destroy());
    client.setNoDelay(true);
    await until(() => forward.upstreams.length === 1, 'the upstream');
    const [upstream] = forward.upstreams;
    assert.ok(upstream);
    upstream.setNoDelay(true);
    // An answer to the first would acknowledge it.
    let heard = 0;
    upstream.on('data', (bytes: Buffer) => {
      heard += bytes.length;
      if (heard % 2 === 0) upstream.write('both');
    });
    upstream.resume();
    let got = 0;
    client.on('data', (bytes: Buffer) => (got += bytes.length));
    let quick = 0;
    for (let n = 0; quick < 50; n++) {
      const begin = performance.now();
      // Two packets at a time: the second would wait for the acknowledgement of the first, 40 ms, if nobody had asked for haste.
      client.write('a');
      await pause(0);
      client.write('b');
      await until(() => got === 4 * (n + 1), 'the answer');
      if (performance.now() - begin < 40) quick += 1;
      // A busy machine is slow now and then, and not every time.
      assert.ok(n < 500, `${quick} of ${n} were quick`);
    }
  });

  test('urgent data holds nothing up', async (t) => {
    const forward = await Forward.start(t, { hold: true });
    const client = await open(forward.local);
    afterwards(t, () => client.destroy());
    await until(() => forward.upstreams.length === 1, 'the upstream');
    const [upstream] = forward.upstreams;
    assert.ok(upstream);
    const got = createHash('sha256');
    let size = 0;
    upstream.on('data', (bytes: Buffer) => {
      got.update(bytes);
      size += bytes.length;
    });
    upstream.resume();
    const { fd } = (client as Socket & { _handle: { fd: number } })._handle;
    const sent = createHash('sha256');
    let expected = 0;
    // Also in the middle of what is spliced.
    for (const length of [2, 3, 300_000, 300_000, 4]) {
      const bytes = randomBytes(length);
      sent.update(bytes);
      expected += length;
      await new Promise((resolve) => client.write(bytes, resolve));
      assert.equal(streamCalls().send(fd, addressOf(URGENT), URGENT.length, MSG_OOB), URGENT.length);
      await until(() => size === expected, `${expected} bytes, not ${size}`);
    }
    client.end();
    await once(upstream, 'end');
    // The urgent byte itself is not in the stream of who does not ask for it.
    assert.equal(got.digest('hex'), sent.digest('hex'));
  });

  test('a worker that ends unasked is told of, its streams end, and another one goes on', async (t) => {
    const workers: Worker[] = [];
    const note = (worker: Worker): unknown => workers.push(worker);
    process.on('worker', note);
    afterwards(t, () => process.removeListener('worker', note));
    const faults: Error[] = [];
    const forward = await Forward.start(t, { hold: true, onFault: (error) => faults.push(error) });
    const before = descriptors();
    const client = await open(forward.local);
    client.resume();
    await until(() => forward.rig.connected.size === 1, 'the join');
    await until(() => forward.upstreams.length === 1, 'the upstream');
    const broken = [client, ...forward.upstreams].map((socket) => once(socket.resume(), 'error'));
    await workers[0]?.terminate();
    // What was under way is lost: to nobody it may look complete.
    for (const [error] of await Promise.all(broken)) assert.equal(error.code, 'ECONNRESET');
    await until(() => forward.rig.ends.size === 2, 'the end of both');
    assert.equal(faults.length, 1);
    assert.equal(forward.rig.drops('engine', 'stream-worker-failed'), 1);
    forward.upstreams[0]?.destroy();
    await until(() => descriptors().sockets <= before.sockets, 'its descriptors to be closed');
    const again = await open(forward.local);
    afterwards(t, () => again.destroy());
    await until(() => forward.upstreams.length === 2, 'another upstream');
  });

  test('few descriptors left: whoever is let in is served, the rest wait, counted, without spinning, and it goes on when there are some', () => {
    const program = fileURLToPath(new URL('accept-without-descriptors.ts', import.meta.url));
    const shell = 'ulimit -n 80 && exec "$0" "$1"';
    const report = JSON.parse(execFileSync('sh', ['-c', shell, process.execPath, program], { encoding: 'utf8' }));
    const { failed, cpu, seconds, seen, joined, lacked } = report;
    assert.ok(seen > 0 && joined === seen, `${joined} of ${seen} have an upstream`);
    assert.equal(lacked, 0);
    assert.ok(failed >= 1 && failed <= 30 * seconds, `${failed} accepts that had to wait in ${seconds} s`);
    assert.ok(cpu < 0.5 * seconds, `${cpu} s of CPU time in ${seconds} s`);
    assert.equal(report.served, true);
  });

  after(() => assert.deepEqual(openDescriptors(), []));
});

interface ForwardOptions {
  readonly workers?: number;
  /** Upstreams are left alone, paused; else they send back what comes. */
  readonly hold?: boolean;
  readonly onFault?: (error: Error) => void;
}

/** A forward to an upstream of the test's own, decided upon as the service would. */
class Forward {
  readonly rig: Rig;
  readonly local: Endpoint;
  readonly upstreams: Socket[];

  static async start(t: TestContext, { workers = 1, hold = false, onFault }: ForwardOptions): Promise<Forward> {
    const { place, upstreams } = await echoServer(t, hold);
    const options: ConformanceOptions = {
      name: 'batched',
      create: (parts) => createBatchedEngine({ ...parts, workers, seed: 1, ...(onFault && { onFault }) }),
      skips: {},
    };
    const rig = await Rig.start(t, options);
    const id = rig.ids.socket();
    const spec = { transport: 'tcp', local: loopback(4), maxStreams: 5000, held: true } as const;
    const result = await rig.engine.listen(id, spec);
    assert.ok(result.ok);
    rig.onStream = (stream) => {
      const upstream = rig.ids.stream();
      const then = { with: stream, first: new Uint8Array(0), service: 'forward', idle: 0 } as const;
      rig.engine.connect(upstream, { to: place, timeout: PATIENCE_MILLIS, join: then });
    };
    return new Forward(rig, { id, local: result.local }, upstreams);
  }

  private constructor(rig: Rig, { local }: Bound, upstreams: Socket[]) {
    this.rig = rig;
    this.local = local;
    this.upstreams = upstreams;
  }
}

/** Sends so many bytes and gets the same back; ends its way early or only when everything is back. */
async function exchange(local: Endpoint, size: number, n: number): Promise<void> {
  const socket = await open(local);
  const data = randomBytes(size);
  const hash = createHash('sha256');
  let got = 0;
  socket.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    got += bytes.length;
    if (got === size && n % 2 === 1) socket.end();
  });
  const ended = once(socket, 'end');
  if (n % 2 === 0) socket.end(data);
  else if (size === 0) socket.end();
  else socket.write(data);
  await ended;
  assert.equal(hash.digest('hex'), createHash('sha256').update(data).digest('hex'), `connection ${n} of ${size} bytes`);
}

function randomSize(n: number): number {
  if (n % 50 === 0) return 0;
  if (n % 40 === 1) return MIB + (randomBytes(4).readUInt32LE() % MIB);
  return randomBytes(4).readUInt32LE() % (n % 3 === 0 ? 200 : 70_000);
}

async function open(local: Endpoint): Promise<Socket> {
  const socket = connect({ host: local.address, port: local.port, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

async function inTurns(tasks: readonly (() => Promise<void>)[], atOnce: number): Promise<void> {
  const left = tasks.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const task of left) await task();
    }),
  );
}

async function standstill(count: () => number): Promise<void> {
  for (let last = -1; last !== count(); await pause(500)) last = count();
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const URGENT = Buffer.from('!');
const MSG_OOB = 1;
const READERS = 20;
const MIB = 1024 * 1024;
