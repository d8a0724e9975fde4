import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { enableCompileCache } from 'node:module';
import { after, describe, type TestContext, test } from 'node:test';
import { type BatchedEngine, createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import { Lane } from '../../../src/engine/batched/lane.ts';
import { createSharedMemory } from '../../../src/engine/batched/layout.ts';
import { UdpPorts } from '../../../src/engine/batched/udp-ports.ts';
import { DropCounts } from '../../../src/engine/portable/drop-counts.ts';
import { WakeUp } from '../../../src/sys/epoll.ts';
import { openDescriptors } from '../../../src/sys/fd.ts';
import { afterwards } from '../../afterwards.ts';
import { socketId } from '../../flow/example.ts';
import { missing } from '../../requirements.ts';
import { type Bound, loopback, Rig, until } from '../conformance/rig.ts';

enableCompileCache();

// What only an engine with threads can get wrong.
describe('workers', { skip: missing('ffi') }, () => {
  test('nothing is forwarded by a flow that is removed, under load', async (t) => {
    const { rig, listener, port, client, received } = await busyRelay(t);
    for (let round = 0; round < 40; round++) {
      const start = received.count;
      const flow = rig.flow(listener, client, port, received.local);
      await until(() => (rig.engine.flowCounters(flow.id)?.packets ?? 0) > 20, 'packets');
      const counters = rig.engine.removeFlow(flow.id);
      assert.ok(counters);
      for (let seen = -1; seen !== received.count; ) {
        seen = received.count;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      // A packet more than its last counters say would have gone out by a flow that is gone.
      assert.ok(received.count - start <= counters.packets, `round ${round}: ${received.count - start} packets`);
      rig.datagrams.length = 0;
    }
  });

  test('ports open and close under load, and their descriptors are not read by a worker any more', async (t) => {
    const { rig, listener, client, received } = await busyRelay(t);
    for (let round = 0; round < 100; round++) {
      const port = await rig.openPort();
      rig.flow(listener, client, port, received.local);
      await turns(2);
      rig.engine.closePort(port.id);
      rig.datagrams.length = 0;
    }
    assert.equal(rig.drops('engine', 'receive-failed'), 0);
    assert.equal(rig.drops('turn', 'send-failed'), 0);
  });

  test('a worker that dies is told of, and another one goes on with the sockets', async (t) => {
    const faults: Error[] = [];
    const missed: string[] = [];
    const shared = createSharedMemory(1024, 16, 1);
    const lane = new Lane({
      shared,
      uring: true,
      onMiss: (_place, _generation, _sender, payload) => missed.push(payload.toString()),
      onFault: (error) => faults.push(error),
    });
    afterwards(t, () => lane.close());
    const ports = new UdpPorts(shared, new DropCounts(), true);
    const opened = ports.open(socketId(1), loopback(4), { receive: 65_536, send: 65_536 }, lane);
    const port = ports.get(socketId(1));
    assert.ok(opened.ok && port);
    afterwards(t, () => ports.close(port));
    const send = (text: string) => ports.send(port, opened.local, Buffer.from(text));
    send('before');
    await until(() => missed.length === 1, 'the first worker');

    // A place that no socket has makes it read outside of the shared memory.
    const bell = new WakeUp();
    afterwards(t, () => bell.fd.close());
    lane.add(bell.fd, 1_000_000);
    bell.ring();
    await until(() => faults.length > 0, 'the report');
    lane.remove(bell.fd);
    assert.match(String(faults[0]), /RangeError/);
    send('after');
    await until(() => missed.length === 2, 'the next worker');
    assert.deepEqual(missed, ['before', 'after']);
  });

  test('misses beyond the queue are counted, not kept', async (t) => {
    const rig = await Rig.start(t, options());
    const listener = await rig.listenUdp();
    await rig.openPort();
    const socket = dgram.createSocket('udp4');
    afterwards(t, () => socket.close());
    await new Promise<void>((resolve) => socket.connect(listener.local.port, '127.0.0.1', resolve));
    await until(() => {
      socket.send(Buffer.alloc(60));
      return rig.datagrams.length > 0;
    }, 'the worker to be there');
    rig.datagrams.length = 0;
    const packet = Buffer.alloc(60_000);
    await until(() => {
      // The main thread is busy for as long as it takes to send them all; again, where the worker had no processor meanwhile.
      const end = performance.now() + 300;
      while (performance.now() < end) socket.send(packet);
      return rig.drops('engine', 'miss-queue-full') > 0;
    }, 'the count');
  });

  after(() => assert.deepEqual(openDescriptors(), []));
});

function options() {
  return {
    name: 'batched',
    create: (parts: Parameters<Parameters<typeof Rig.start>[1]['create']>[0]) =>
      createBatchedEngine({ ...parts, seed: 1, workers: 2, onFault: (error) => assert.fail(error) }),
    tick: (engine: unknown) => (engine as BatchedEngine).tick(),
    skips: {},
  };
}

/** A client that sends all the time, and a peer that counts. */
async function busyRelay(t: TestContext) {
  const rig = await Rig.start(t, options());
  const listener: Bound = await rig.listenUdp();
  const port = await rig.openPort();
  const [sender, peer] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  const received = { count: 0, local: loopback(4) };
  peer.on('message', () => {
    received.count += 1;
  });
  await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve));
  received.local = loopback(4, peer.address().port);
  await new Promise<void>((resolve) => sender.connect(listener.local.port, '127.0.0.1', resolve));
  const timer = setInterval(() => {
    for (let n = 0; n < 5; n++) sender.send(Buffer.alloc(100));
  }, 1);
  afterwards(t, () => {
    clearInterval(timer);
    sender.close();
    peer.close();
  });
  // What waited for the first worker is too much for the peer's buffer, and is nobody's yet.
  await until(() => rig.datagrams.length > 0, 'a worker');
  return { rig, listener, port, client: loopback(4, sender.address().port), received };
}

/** Lets this thread take what the kernel has for it. */
async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}
