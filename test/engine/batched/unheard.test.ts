import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { openDescriptors } from '../../../src/sys/fd.ts';
import { encodeSockaddr } from '../../../src/sys/sockaddr.ts';
import { streamCalls } from '../../../src/sys/stream-calls.ts';
import { openStream } from '../../../src/sys/stream-socket.ts';
import { afterwards } from '../../afterwards.ts';
import { missing } from '../../requirements.ts';
import { withoutAccept } from '../conformance/joined.ts';
import { loopback, type Rig, until } from '../conformance/rig.ts';
import { echoed, obeyed, open, start } from './standing-rig.ts';

// Workers serve clients of whom nobody has heard yet: nothing that happens meanwhile may lose one.
describe('clients of whom nobody has heard', { skip: missing('ffi') }, () => {
  test('are told of before their listener is gone, and can be closed then', async (t) => {
    const { rig, listener } = await start(t);
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(t, listener.local)));
    await Promise.all(clients.map((client) => echoed(client, 'joined')));
    await rig.engine.stopListening(listener.id);
    assert.equal(rig.pairs.length + rig.totals.connections, 20);
    for (const { at, client } of rig.pairs) {
      assert.equal(at, listener.id);
      rig.engine.closeStream(client);
    }
    await Promise.all(clients.map((socket) => once(socket.resume(), 'close')));
  });

  test('nor connected yet: the listener is gone when that has failed, and somebody was asked', async (t) => {
    const { rig, listener, ...upstream } = await start(t, { timeout: 200, place: await withoutAccept(t) });
    const client = await open(t, listener.local);
    await obeyed(rig, upstream);
    await rig.engine.stopListening(listener.id);
    const [asked] = rig.streams;
    assert.ok(asked);
    assert.deepEqual([asked.at, asked.from], [listener.id, loopback(4, client.localPort)]);
    assert.equal(rig.refused.get(asked.stream)?.failure, 'timeout');
    rig.engine.closeStream(asked.stream);
    await once(client.resume(), 'close');
  });

  test('who comes after a decision was changed is not served by the one before, though no worker has heard of that', async (t) => {
    const { rig, listener, decision, ...upstream } = await start(t);
    const [target] = decision.to;
    const next = { ...decision, to: [{ tag: 8, place: target?.place ?? assert.fail() }] };
    for (let n = 1; n <= 20; n++) {
      rig.engine.stand?.(listener.id, decision, 'forward');
      await obeyed(rig, upstream);
      rig.engine.stand?.(listener.id, n % 2 === 0 ? undefined : next, 'forward');
      // In the same turn of this thread: the worker is woken by the client, and accepts before it looks at its orders.
      const socket = connectNow(listener.local);
      await until(() => rig.streams.length + rig.pairs.length === n, 'the question, or what the new one came to');
      assert.ok(rig.pairs.every(({ tag }) => tag === 8));
      socket.close();
    }
    assert.ok(rig.streams.length >= 10);
  });

  test('whoever was let in before it was taken back is told of as soon as he is joined', async (t) => {
    const { rig, listener, decision, ...upstream } = await start(t);
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(t, listener.local)));
    rig.engine.stand?.(listener.id, undefined, 'forward');
    await rig.engine.allTold?.();
    await Promise.all(clients.map((client) => until(() => known(rig, client), 'all to be known')));
    await obeyed(rig, upstream);
    assert.equal(rig.pairs.length + rig.streams.length, 20);
  });

  test('everybody is known of when that was asked, whoever is being connected included', async (t) => {
    const { rig, listener, ...upstream } = await start(t, { timeout: 200, place: await withoutAccept(t) });
    const clients = [await open(t, listener.local), await open(t, listener.local)];
    await obeyed(rig, upstream);
    rig.engine.stand?.(listener.id, undefined, 'forward');
    await rig.engine.allTold?.();
    assert.equal(rig.streams.length, 2);
    for (const client of clients) client.destroy();
  });

  test('a worker that ends takes its own along, and nobody else: places are given out to the last', async (t) => {
    const workers: Worker[] = [];
    const note = (worker: Worker): unknown => workers.push(worker);
    process.on('worker', note);
    afterwards(t, () => process.removeListener('worker', note));
    const streams = 40;
    const { rig, listener, ...upstream } = await start(t, {
      workers: 2,
      streams,
      timeout: 60_000,
      place: await withoutAccept(t),
    });
    let there: Socket[] = [];
    for (let round = 1; round <= 3; round++) {
      const before = rig.drops('engine', 'too-many-streams');
      const more = await Promise.all(Array.from({ length: streams + 10 }, () => open(t, listener.local)));
      for (const socket of more) socket.resume();
      const tooMany = (): number => left(there).length + more.length - streams;
      await until(() => rig.drops('engine', 'too-many-streams') - before === tooMany(), 'the refusal of the rest');
      there = [...there, ...more];
      await until(() => left(there).length === streams, 'the end of the rest');
      await workers.shift()?.terminate();
      await until(() => rig.drops('engine', 'stream-worker-failed') === round && workers.length === 2, 'another one');
      await obeyed(rig, upstream, 2);
    }
    assert.equal(rig.pairs.length, 0);
  });

  after(() => assert.deepEqual(openDescriptors(), []));
});

function left(sockets: readonly Socket[]): Socket[] {
  return sockets.filter(({ destroyed, readableEnded }) => !destroyed && !readableEnded);
}

function known(rig: Rig, { localPort }: Socket): boolean {
  return [...rig.pairs, ...rig.streams].some(({ from }) => from.port === localPort);
}

/** Before this returns the kernel has made the connection. */
function connectNow(to: Endpoint) {
  const fd = openStream(4);
  const room = new Arena(32);
  const size = encodeSockaddr(to, room.view, 0);
  streamCalls().connect(fd.number, room.address, size);
  return fd;
}
