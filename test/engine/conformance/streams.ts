import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { EngineMisuse } from '../../../src/engine/engine.ts';
import type { Family } from '../../../src/net/address.ts';
import type { StreamId } from '../../../src/net/ids.ts';
import { afterwards } from '../../afterwards.ts';
import { type Bound, type ConformanceOptions, loopback, Rig, until } from './rig.ts';

const CHUNK = Buffer.alloc(64 * 1024, 0x55);

/** TCP listeners and what runs over them. */
export function streamTests(options: ConformanceOptions): void {
  for (const family of [4, 6] as const) {
    const skip = family === 6 ? (options.skips.ipv6 ?? false) : false;
    test(`IPv${family}: a stream opens, carries data both ways, and the peer closes it`, { skip }, async (t) => {
      const { rig, client, stream, listener } = await connected(t, options, family);
      const opened = rig.streams[0];
      assert.equal(opened?.at, listener.id);
      assert.deepEqual(opened?.from, { ...loopback(family), port: client.localPort });
      client.write('to the relay');
      await until(() => rig.streamBytes.get(stream)?.toString() === 'to the relay', 'data from the client');
      const packet = Buffer.from('to the client');
      rig.engine.write(stream, packet, false);
      packet.fill(0);
      assert.equal((await readSome(client)).toString(), 'to the client');
      client.end();
      await until(() => rig.closedStreams.length > 0, 'the end of the stream');
      assert.deepEqual(rig.closedStreams, [stream]);
    });
  }

  test('closeStream sends what is written, then ends; the sink hears no more', async (t) => {
    const { rig, client, stream } = await connected(t, options);
    client.write('unread');
    rig.engine.write(stream, Buffer.from('last words'), false);
    rig.engine.closeStream(stream);
    client.write('ignored');
    const ended = once(client, 'end');
    assert.equal((await readSome(client)).toString(), 'last words');
    await ended;
    assert.deepEqual(rig.closedStreams, []);
    rig.engine.closeStream(stream);
    rig.engine.write(stream, Buffer.from('too late'), false);
    assert.equal(rig.drops('engine', 'stream-gone'), 1);
  });

  test('a reset is the end of one stream, not of the engine', async (t) => {
    const { rig, client, listener, stream } = await connected(t, options);
    client.resetAndDestroy();
    await until(() => rig.closedStreams.length > 0, 'the end of the stream');
    assert.deepEqual(rig.closedStreams, [stream]);
    await connectTo(t, listener);
    await until(() => rig.streams.length === 2, 'a second stream');
  });

  test('droppable packets are dropped whole while the reader is slow; the others wait', async (t) => {
    const { rig, client, stream } = await connected(t, options);
    const packet = Buffer.alloc(1000);
    let written = 0;
    for (; rig.drops('engine', 'slow-stream') === 0; written++) {
      assert.ok(written < 100_000, 'nothing is ever dropped');
      rig.engine.write(stream, packet.fill(written), true);
    }
    packet.fill(0xff);
    rig.engine.write(stream, Buffer.from('the answer'), false);
    const whole = written - 1;
    const got = await readBytes(client, whole * packet.length + 'the answer'.length);
    assert.equal(got.subarray(-10).toString(), 'the answer');
    for (let n = 0; n < whole; n++) {
      const bytes = got.subarray(n * packet.length, (n + 1) * packet.length);
      assert.deepEqual(bytes, Buffer.alloc(packet.length, n), `packet ${n}, though its buffer was used again`);
    }
    rig.engine.write(stream, packet, true);
    assert.equal((await readBytes(client, 1000)).length, 1000, 'it flows again');
    assert.equal(rig.drops('engine', 'slow-stream'), 1);
  });

  test('a reader that takes not even answers loses its stream', async (t) => {
    const { rig, stream } = await connected(t, options);
    for (let n = 0; rig.drops('engine', 'stream-overflow') === 0; n++) {
      assert.ok(n < 10_000, 'the stream holds without bound');
      rig.engine.write(stream, CHUNK, false);
    }
    rig.engine.write(stream, CHUNK, false);
    await until(() => rig.closedStreams.length > 0, 'the end of the stream');
    assert.deepEqual(rig.closedStreams, [stream]);
  });

  test('streams beyond maxStreams are closed at once and counted; a place that is left is free', async (t) => {
    const rig = await Rig.start(t, options);
    const listener = await listenTcp(rig, 4, 2);
    const [first] = [await connectTo(t, listener), await connectTo(t, listener)];
    await until(() => rig.streams.length === 2, 'two streams');
    const third = await connectTo(t, listener);
    await once(third.resume(), 'close');
    await rig.dropped('engine', 'too-many-streams', 1);
    first.destroy();
    await until(() => rig.closedStreams.length === 1, 'the first to end');
    await connectTo(t, listener);
    await until(() => rig.streams.length === 3, 'a stream in its place');
  });

  test('closing a listener ends its streams, each reported', async (t) => {
    const { rig, client, stream, listener } = await connected(t, options);
    rig.engine.closePort(listener.id);
    await once(client.resume(), 'close');
    await until(() => rig.closedStreams.length > 0, 'the end of the stream');
    assert.deepEqual(rig.closedStreams, [stream]);
    const refused = connect(listener.local.port, listener.local.address);
    const [error] = await once(refused, 'error');
    assert.equal(error.code, 'ECONNREFUSED');
  });

  test('a TCP port in use, or an address that is not here, is a result', async (t) => {
    const rig = await Rig.start(t, options);
    const { local } = await listenTcp(rig, 4, 1);
    const again = await rig.engine.listen(rig.ids.socket(), { transport: 'tcp', local, maxStreams: 1 });
    assert.equal(again.ok ? '' : again.failure, 'in-use');
    const elsewhere = { family: 4, address: '192.0.2.123', port: 0 } as const;
    const missing = await rig.engine.listen(rig.ids.socket(), { transport: 'tcp', local: elsewhere, maxStreams: 1 });
    assert.equal(missing.ok ? '' : missing.failure, 'no-address');
  });

  test('a listener that is closed while it opens is a result and leaves nothing behind', async (t) => {
    const rig = await Rig.start(t, options);
    const { local } = await listenTcp(rig, 4, 1);
    const first = rig.ids.socket();
    const spec = { transport: 'tcp', local: { ...local, address: '127.0.0.2' }, maxStreams: 1 } as const;
    const opening = rig.engine.listen(first, spec);
    rig.engine.closePort(first);
    assert.equal((await opening).ok, false);
    assert.equal((await rig.engine.listen(rig.ids.socket(), spec)).ok, true, 'the port is free');
    assert.throws(() => rig.engine.closePort(first), EngineMisuse);
  });

  test('close() ends streams without a word to the sink', async (t) => {
    const { rig, client } = await connected(t, options);
    const ended = once(client.resume(), 'close');
    await rig.engine.close();
    await ended;
    assert.deepEqual(rig.closedStreams, []);
  });
}

async function connected(t: TestContext, options: ConformanceOptions, family: Family = 4) {
  const rig = await Rig.start(t, options);
  const listener = await listenTcp(rig, family, 10);
  const client = await connectTo(t, listener);
  await until(() => rig.streams.length > 0, 'a stream');
  const stream = rig.streams[0]?.stream as StreamId;
  return { rig, listener, client, stream };
}

async function listenTcp(rig: Rig, family: Family, maxStreams: number): Promise<Bound> {
  const id = rig.ids.socket();
  const result = await rig.engine.listen(id, { transport: 'tcp', local: loopback(family), maxStreams });
  assert.ok(result.ok, JSON.stringify(result));
  return { id, local: result.local };
}

async function connectTo(t: TestContext, { local }: Bound): Promise<Socket> {
  const socket = connect({ host: local.address, port: local.port });
  // A reset is what some of these tests bring about.
  socket.on('error', () => {});
  afterwards(t, () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function readSome(socket: Socket): Promise<Buffer> {
  const [chunk] = await once(socket, 'data');
  return chunk;
}

async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
  };
  socket.on('data', take);
  await until(() => size >= count, `${count} bytes`);
  socket.removeListener('data', take);
  assert.equal(size, count);
  return Buffer.concat(chunks);
}
