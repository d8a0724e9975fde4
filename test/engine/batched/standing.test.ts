import assert from 'node:assert/strict';
import { once } from 'node:events';
import { enableCompileCache } from 'node:module';
import { connect, createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import { openDescriptors } from '../../../src/sys/fd.ts';
import { afterwards } from '../../afterwards.ts';
import { missing } from '../../requirements.ts';
import { withoutAccept } from '../conformance/joined.ts';
import { type EngineParts, loopback, Rig, until } from '../conformance/rig.ts';
import { echo, echoed, echoServer, listen, obeyed, open, start, told } from './standing-rig.ts';

enableCompileCache();

describe('a standing decision', { skip: missing('ffi') }, () => {
  for (const workers of [1, 2]) {
    test(`nobody is asked about clients, and whoever leaves soon is counted: ${workers} worker(s)`, async (t) => {
      const { rig, listener, upstreams } = await start(t, { workers });
      for (let n = 0; n < 20; n++) {
        await Promise.all(
          Array.from({ length: 10 }, async () => assert.equal(await echo(listener.local, 'hello'), 'hello')),
        );
      }
      const told = (): number => rig.totals.connections + rig.pairs.length;
      await until(() => told() === 200 && rig.ends.size === 2 * rig.pairs.length, 'all to be counted');
      assert.deepEqual(rig.streams, []);
      assert.equal(upstreams.length, 200);
      assert.deepEqual(rig.engine.stats().traffic, [
        { service: 'forward', direction: 'to_peer', packets: 0, bytes: 1000 },
        { service: 'forward', direction: 'to_client', packets: 0, bytes: 1000 },
      ]);
      const ended = [...rig.ends.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      assert.equal(rig.totals.toUpstream + rig.totals.toClient + ended, 2000);
    });
  }

  test('who stays is told of, with all that a joined pair has', async (t) => {
    const { rig, listener } = await start(t);
    const client = await open(t, listener.local);
    client.write('before');
    const [pair] = await told(rig, 1);
    assert.ok(pair);
    assert.deepEqual(pair.from, loopback(4, client.localPort));
    assert.deepEqual([pair.at, pair.local, pair.tag], [listener.id, listener.local, 7]);
    assert.equal(rig.engine.streamBytes(pair.client), 6);
    client.end(' and after');
    await once(client.resume(), 'close');
    await until(() => rig.ends.size === 2, 'both ends');
    assert.deepEqual(rig.ends.get(pair.client), { bytes: 16, clean: true });
    assert.deepEqual(rig.ends.get(pair.upstream), { bytes: 16, clean: true });
    assert.equal(rig.totals.connections, 0);
  });

  test('one that was told of can be closed, and is idle no longer than it may', async (t) => {
    const { rig, listener } = await start(t, { idle: 400 });
    const [first, second] = [await open(t, listener.local), await open(t, listener.local)];
    await until(() => {
      for (const socket of [first, second]) socket.write('not idle yet');
      return rig.pairs.length === 2;
    }, 'two pairs');
    const [pair] = rig.pairs;
    rig.engine.closeStream(pair?.client ?? assert.fail());
    await Promise.all([first, second].map((socket) => once(socket.resume(), 'close')));
  });

  test('who said all before anybody was told of him is idle no longer either, where nobody reads it', async (t) => {
    const silent = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      afterwards(t, () => socket.destroy());
      socket.on('error', () => {});
      socket.end();
    });
    silent.listen(0, '127.0.0.1');
    afterwards(t, () => silent.close());
    await once(silent, 'listening');
    const place = silent.address();
    assert.ok(typeof place === 'object' && place !== null);
    const { rig, listener } = await start(t, { idle: 300, place: loopback(4, place.port) });
    const client = connect({ host: listener.local.address, port: listener.local.port, allowHalfOpen: true });
    client.on('error', () => {});
    afterwards(t, () => client.destroy());
    client.resume();
    // More than the upstream's buffers take, and not more than ours do.
    client.end(Buffer.alloc(4500 * 1024));
    await until(() => rig.totals.connections + rig.ends.size / 2 === 1, 'the end');
  });

  test('targets have their turns', async (t) => {
    const other = await echoServer(t);
    const { rig, listener } = await start(t, { more: [{ tag: 8, place: other.place }] });
    for (let n = 0; n < 4; n++) await open(t, listener.local);
    const pairs = await told(rig, 4);
    assert.deepEqual(pairs.map(({ tag }) => tag).sort(), [7, 7, 8, 8]);
  });

  test('which all workers keep', async (t) => {
    const other = await echoServer(t);
    const { rig, listener } = await start(t, { workers: 2, more: [{ tag: 8, place: other.place }] });
    for (let n = 1; n <= 12; n++) {
      await open(t, listener.local);
      const pairs = await told(rig, n);
      assert.deepEqual(
        pairs.map(({ tag }) => tag),
        pairs.map((_, index) => 7 + (index % 2)),
      );
    }
  });

  test('a client whose target refuses is asked about', async (t) => {
    const { rig, listener, server } = await start(t);
    server.close();
    const stays = await open(t, listener.local);
    await until(() => rig.refused.size === 1, 'the question');
    const [asked] = rig.streams;
    assert.deepEqual(asked?.from, loopback(4, stays.localPort));
    const refusal = rig.refused.get(asked?.stream ?? assert.fail());
    assert.deepEqual([refusal?.tag, refusal?.failure], [7, 'refused']);
    rig.engine.closeStream(asked.stream);
    await once(stays.resume(), 'close');
    assert.deepEqual([rig.pairs, rig.totals.connections], [[], 0]);
  });

  test('a target that does not answer in time does not either', async (t) => {
    const { rig, listener } = await start(t, { timeout: 60, place: await withoutAccept(t) });
    const client = await open(t, listener.local);
    await until(() => rig.streams.length === 1, 'the question');
    assert.equal(rig.refused.get(rig.streams[0]?.stream ?? assert.fail())?.failure, 'timeout');
    client.destroy();
  });

  test('beyond so many streams it is asked, and knows of all who are joined by then', async (t) => {
    const { rig, listener } = await start(t, { most: 3 });
    for (let n = 0; n < 3; n++) await echoed(await open(t, listener.local), 'joined');
    rig.onStream = () => assert.equal(rig.pairs.length, 3);
    const fourth = await open(t, listener.local);
    await until(() => rig.streams.length === 1, 'the question');
    assert.deepEqual(rig.streams[0]?.from, loopback(4, fourth.localPort));
    assert.equal(rig.refused.size, 0);
  });

  test('it is taken back: who is there is told of, who comes is asked about', async (t) => {
    const { rig, listener, ...upstream } = await start(t);
    const client = await open(t, listener.local);
    await echoed(client, 'joined');
    rig.onStream = () => assert.equal(rig.pairs.length, 1);
    rig.engine.stand?.(listener.id, undefined, 'forward');
    await obeyed(rig, upstream);
    const second = await open(t, listener.local);
    await until(() => rig.streams.length === 1, 'the question');
    await echoed(client, 'still');
    second.destroy();
  });

  test('a listener that closes takes its clients with it, one that stops does not', async (t) => {
    const { rig, listener, decision, ...upstream } = await start(t);
    const client = await open(t, listener.local);
    await echoed(client, 'joined');
    rig.engine.stopListening(listener.id);
    await obeyed(rig, upstream);
    await echoed(client, 'on');

    const other = await listen(rig);
    rig.engine.stand?.(other.id, decision, 'forward');
    await obeyed(rig, upstream);
    const cut = await open(t, other.local);
    await echoed(cut, 'joined');
    const broken = once(cut, 'error');
    rig.engine.closePort(other.id);
    assert.equal((await broken)[0].code, 'ECONNRESET');
    await echoed(client, 'and on');
  });

  test('resets pass', async (t) => {
    const { rig, listener, upstreams } = await start(t);
    const client = await open(t, listener.local);
    await echoed(client, 'joined');
    const broken = once(client, 'error');
    upstreams[0]?.resetAndDestroy();
    assert.equal((await broken)[0].code, 'ECONNRESET');
    await until(() => rig.totals.connections + rig.pairs.length === 1, 'the count');
  });

  test('workers are begun before the first listener where one is expected', async (t) => {
    for (const expectHeld of [true, false]) {
      let begun = 0;
      const note = (): void => {
        begun += 1;
      };
      process.on('worker', note);
      const create = (parts: EngineParts) => createBatchedEngine({ ...parts, expectHeld, seed: 1 });
      await Rig.start(t, { name: 'batched', create, skips: {} });
      // Told in the next turn.
      await new Promise((resolve) => setImmediate(resolve));
      process.off('worker', note);
      assert.equal(begun, expectHeld ? 1 : 0);
    }
  });

  test('of a listener that is not there nothing is meant', async (t) => {
    const { rig, decision } = await start(t);
    rig.engine.stand?.(rig.ids.socket(), decision, 'forward');
  });

  after(() => assert.deepEqual(openDescriptors(), []));
});
