import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createPortableEngine } from '../../src/engine/portable/portable.ts';
import type { ServiceName } from '../../src/flow/flow.ts';
import { IdSource } from '../../src/net/ids.ts';
import type { Resolution } from '../../src/net/resolution.ts';
import { Driver, DriverMisuse } from '../../src/runtime/driver.ts';
import type { Order } from '../../src/service/service.ts';
import { afterwards } from '../afterwards.ts';
import { Peer } from '../engine/conformance/peer.ts';
import { LOOPBACK, until } from '../engine/conformance/rig.ts';
import { exampleFlow, flowId, v4 } from '../flow/example.ts';
import { FakeEngine, FakeService } from './fakes.ts';

const spec = { transport: 'udp', local: v4(3478) } as const;
const packet = Buffer.from('packet');
const END = { bytes: 0, clean: true };

test('a datagram goes to the service that owns the listener, with the time', async () => {
  const { driver, engine } = start();
  const [turn, pair] = [new FakeService('turn'), new FakeService('pair')];
  const a = await driver.listen(turn, spec);
  const b = await driver.listen(pair, spec);
  assert.deepEqual(engine.calls, [
    ['listen', a.socket, spec],
    ['listen', b.socket, spec],
  ]);
  assert.deepEqual(a.result, engine.listenResult);
  engine.sink.datagram(b.socket, v4(1), packet);
  assert.deepEqual(pair.calls, [['datagram', b.socket, v4(1), packet, 1000]]);
  assert.deepEqual(turn.calls, []);
});

test('a listener that cannot be opened owns nothing', async () => {
  const { driver, engine } = start();
  const service = new FakeService();
  engine.listenResult = { ok: false, failure: 'in-use', detail: '' };
  const { socket, result } = await driver.listen(service, spec);
  assert.equal(result.ok, false);
  engine.sink.datagram(socket, v4(1), packet);
  assert.deepEqual(service.calls, []);
});

test('a stream listener that stops is its service’s until the engine has told of all whom it has', async () => {
  const { driver, engine, ids } = start();
  const service = new FakeService('forward');
  const { socket } = await driver.listen(service, { transport: 'tcp', local: v4(0), maxStreams: 1, held: true });
  const told = Promise.withResolvers<void>();
  engine.told = told.promise;
  const stopping = driver.stopListening(socket);
  const stream = ids.stream();
  engine.sink.streamOpened(stream, socket, v4(1), v4(2));
  assert.deepEqual(service.calls, [['streamOpened', stream, socket, v4(1), 1000, v4(2), undefined]]);
  told.resolve();
  await stopping;
  engine.sink.streamClosed(stream, END);
  engine.sink.streamOpened(ids.stream(), socket, v4(1), v4(2));
  assert.deepEqual(
    service.calls.map(([name]) => name),
    ['streamOpened', 'streamClosed'],
  );
});

test('orders are done in order, whatever they are', async () => {
  const { driver, engine, ids, events } = start();
  const service = new FakeService();
  const { socket } = await driver.listen(service, spec);
  engine.calls.length = 0;
  const [port, foreign, stream] = [ids.socket(), ids.socket(), ids.stream()];
  const flow = exampleFlow();
  const event = { level: 'info', name: 'something', fields: { n: 1 } } as const;
  const orders: Order[] = [
    { type: 'openPort', socket: port, local: v4(0) },
    { type: 'openPort', socket: foreign, local: v4(7), towards: v4(8) },
    { type: 'addFlow', flow },
    { type: 'send', from: socket, to: v4(1), packet },
    { type: 'send', from: socket, to: v4(2), packet, dontFragment: true },
    { type: 'event', event },
    { type: 'write', stream, packet, droppable: true },
    { type: 'closeStream', stream },
    { type: 'removeFlow', flow: flowId(1) },
    { type: 'closePort', socket: port },
  ];
  service.onCall = () => service.orders.push(...orders);
  engine.sink.datagram(socket, v4(1), packet);
  assert.deepEqual(engine.calls, [
    ['openPort', port, v4(0), undefined],
    ['openPort', foreign, v4(7), v4(8)],
    ['addFlow', flow],
    ['send', socket, v4(1), packet, false],
    ['send', socket, v4(2), packet, true],
    ['write', stream, packet, true],
    ['closeStream', stream],
    ['removeFlow', 1],
    ['closePort', port],
  ]);
  assert.deepEqual(events, [['turn', event]]);
});

test('ports: the answer and the datagrams go to who asked, until the port closes', async () => {
  const { driver, engine, ids } = start();
  const [turn, pair] = [new FakeService('turn'), new FakeService('pair')];
  await driver.listen(turn, spec);
  const [kept, failed] = [ids.socket(), ids.socket()];
  for (const socket of [kept, failed]) order(driver, pair, { type: 'openPort', socket, local: v4(0) });
  const ok = { ok: true, local: v4(50_000) } as const;
  const bad = { ok: false, failure: 'in-use', detail: '' } as const;
  engine.sink.portOpened(kept, ok);
  engine.sink.portOpened(failed, bad);
  engine.sink.datagram(kept, v4(1), packet);
  engine.sink.datagram(failed, v4(1), packet);
  order(driver, pair, { type: 'closePort', socket: kept });
  engine.sink.datagram(kept, v4(1), packet);
  assert.deepEqual(pair.calls, [
    ['portOpened', kept, ok, 1000],
    ['portOpened', failed, bad, 1000],
    ['datagram', kept, v4(1), packet, 1000],
  ]);
  assert.deepEqual(turn.calls, []);
});

test('streams go to the owner of their listener; after closeStream nothing does', async () => {
  const { driver, engine, ids } = start();
  const service = new FakeService();
  const { socket } = await driver.listen(service, spec);
  const [a, b] = [ids.stream(), ids.stream()];
  for (const stream of [a, b]) engine.sink.streamOpened(stream, socket, v4(9), v4(3478));
  engine.sink.streamData(a, packet);
  engine.sink.streamClosed(a, END);
  engine.sink.streamData(a, packet);
  order(driver, service, { type: 'closeStream', stream: b });
  engine.sink.streamData(b, packet);
  engine.sink.streamClosed(b, END);
  assert.deepEqual(service.calls, [
    ['streamOpened', a, socket, v4(9), 1000, v4(3478), undefined],
    ['streamOpened', b, socket, v4(9), 1000, v4(3478), undefined],
    ['streamData', a, packet, 1000],
    ['streamClosed', a, 1000, END],
  ]);
});

test('a stream that a service asked for is its own, until it fails', () => {
  const { driver, engine, ids } = start();
  const service = new FakeService('forward');
  const other = new FakeService('turn');
  const [good, bad] = [ids.stream(), ids.stream()];
  order(driver, other);
  for (const stream of [good, bad]) {
    order(driver, service, { type: 'connect', stream, to: v4(80), timeout: 10 });
  }
  const failure = { ok: false, failure: 'refused', detail: '' } as const;
  engine.sink.streamConnected(bad, failure);
  engine.sink.streamConnected(good, { ok: true });
  engine.sink.streamData(bad, packet);
  order(driver, service, { type: 'read', stream: good }, { type: 'join', a: good, b: bad, idle: 5 });
  engine.sink.streamClosed(good, END);
  assert.deepEqual(service.calls, [
    ['streamConnected', bad, failure, 1000],
    ['streamConnected', good, { ok: true }, 1000],
    ['streamClosed', good, 1000, END],
  ]);
  assert.deepEqual(other.calls, []);
  assert.deepEqual(engine.calls.slice(2), [
    ['read', good],
    ['join', good, bad, { service: 'forward', idle: 5 }],
  ]);
});

test('the answer of the resolver comes back to who asked, and to nobody once stopped', async () => {
  const answer: Resolution = { ok: true, addresses: ['192.0.2.1'], ttl: 60_000 };
  const { driver } = start(async () => answer);
  const service = new FakeService('forward');
  order(driver, service, { type: 'resolve', name: 'upstream.example' });
  await setImmediate();
  assert.deepEqual(service.calls, [['resolved', 'upstream.example', answer, 1000]]);
  order(driver, service, { type: 'resolve', name: 'upstream.example' });
  await driver.stop();
  await setImmediate();
  assert.equal(service.calls.length, 1);
});

test('what a service orders of a listener that was closed under it goes nowhere', async () => {
  const { driver, engine, ids } = start();
  const service = new FakeService();
  const { socket } = await driver.listen(service, spec);
  const stream = ids.stream();
  engine.sink.streamOpened(stream, socket, v4(9), v4(3478));
  driver.unlisten(socket);
  engine.sink.datagram(socket, v4(1), packet);
  engine.sink.streamClosed(stream, END);
  order(driver, service, { type: 'send', from: socket, to: v4(1), packet });
  order(driver, service, { type: 'addFlow', flow: exampleFlow({ at: socket }) });
  order(driver, service, { type: 'addFlow', flow: exampleFlow({ via: socket, at: ids.socket() }) });
  assert.deepEqual(engine.calls.slice(1), [['closePort', socket]]);
  assert.deepEqual(
    service.calls.map(([name]) => name),
    ['streamOpened', 'streamClosed'],
  );
});

test('idle flows go to the service of that name', async () => {
  const { driver, engine } = start();
  const [turn, pair] = [new FakeService('turn'), new FakeService('pair')];
  await driver.listen(turn, spec);
  await driver.listen(pair, spec);
  engine.sink.flowIdle(flowId(7), 'pair');
  assert.deepEqual(pair.calls, [['flowIdle', 7, 1000]]);
  assert.deepEqual(turn.calls, []);
});

test('a service is never called while its orders are open', async () => {
  const { driver, engine } = start();
  const service = new FakeService();
  const { socket } = await driver.listen(service, spec);
  service.onCall = ([name]) => {
    if (name === 'datagram') engine.sink.flowIdle(flowId(1), 'turn');
  };
  assert.throws(() => engine.sink.datagram(socket, v4(1), packet), DriverMisuse);
  service.onCall = () => {};
  engine.sink.datagram(socket, v4(1), packet);
  assert.equal(service.calls.length, 2, 'and the driver is fit for the next');
});

test('a timer for each service: at its deadline, not before, moved and cleared', async (t) => {
  const { driver, clock } = start();
  mock.timers.enable({ apis: ['setTimeout'] });
  afterwards(t, () => mock.timers.reset());
  const [turn, pair] = [new FakeService('turn'), new FakeService('pair')];
  const pass = (millis: number): void => {
    clock.now += millis;
    mock.timers.tick(millis);
  };
  const setDeadline = (service: FakeService, deadline: number | undefined): void => {
    service.deadline = deadline;
    driver.run(service, () => {});
  };
  for (const service of [turn, pair]) service.onCall = () => (service.deadline = undefined);

  setDeadline(turn, 1100);
  setDeadline(pair, 1500);
  pass(99);
  assert.deepEqual(turn.calls, []);
  pass(1);
  assert.deepEqual(turn.calls, [['timeout', 1100]]);
  assert.deepEqual(pair.calls, []);

  setDeadline(turn, 1200);
  setDeadline(turn, 1400);
  pass(150);
  assert.equal(turn.calls.length, 1, 'moved to later');
  setDeadline(turn, 1300);
  pass(50);
  assert.deepEqual(turn.calls[1], ['timeout', 1300], 'moved to earlier');
  setDeadline(pair, undefined);
  pass(1000);
  assert.deepEqual(pair.calls, [], 'cleared');
  setDeadline(pair, clock.now + 2 ** 33);
  pass(1000);
  assert.deepEqual(pair.calls, [], 'beyond what setTimeout takes');
  setDeadline(pair, clock.now - 5);
  pass(1);
  assert.equal(pair.calls.length, 1, 'long due');
});

test('stop closes the engine, and services hear no more', async () => {
  const { driver, engine } = start();
  const service = new FakeService();
  const { socket } = await driver.listen(service, spec);
  service.deadline = 1001;
  driver.run(service, () => {});
  await driver.stop();
  assert.deepEqual(engine.calls.at(-1), ['close']);
  engine.sink.datagram(socket, v4(1), packet);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(service.calls, []);
});

test('with the portable engine: a request, a port, a flow, and the stop', async (t) => {
  const { driver, ids, service, client, peer } = await startReal(t);
  const { socket, result } = await driver.listen(service, {
    transport: 'udp',
    local: { ...v4(0), address: '127.0.0.1' },
  });
  assert.ok(result.ok);
  const relayed = ids.socket();
  service.onCall = ([name, , second]) => {
    if (name === 'datagram') {
      service.orders.push({ type: 'openPort', socket: relayed, local: { ...v4(0), address: '127.0.0.1' } });
    }
    if (name !== 'portOpened') return;
    assert.ok(typeof second === 'object' && second !== null && 'ok' in second && second.ok === true);
    const flow = exampleFlow({ at: socket, remote: client.local, via: relayed, to: peer.local });
    service.orders.push({ type: 'addFlow', flow });
    service.orders.push({ type: 'send', from: socket, to: client.local, packet: Buffer.from('ready') });
  };
  await client.send(result.local, 'open');
  await client.expect('ready', result.local);
  await client.send(result.local, 'through');
  assert.equal((await peer.next()).packet.toString(), 'through');
  assert.deepEqual(
    service.calls.map(([name]) => name),
    ['datagram', 'portOpened'],
  );
  await driver.stop();
  await until(() => driver.engine.stats().flows.get('turn') === 0, 'the flow to be gone');
});

function order(driver: Driver, service: FakeService, ...orders: Order[]): void {
  driver.run(service, () => service.orders.push(...orders));
}

/** A driver on a fake engine, at time 1000. */
function start(resolve?: (name: string) => Promise<Resolution>) {
  const ids = new IdSource();
  const events: [ServiceName, unknown][] = [];
  const clock = { now: 1000 };
  const engines: FakeEngine[] = [];
  const driver = new Driver({
    createEngine: (sink) => {
      const engine = new FakeEngine(sink);
      engines.push(engine);
      return engine;
    },
    ids,
    clock: () => clock.now,
    ...(resolve && { resolve }),
    onEvent: (name, event) => events.push([name, event]),
  });
  const [engine] = engines;
  assert.ok(engine);
  return { driver, engine, ids, events, clock };
}

async function startReal(t: TestContext) {
  const ids = new IdSource();
  const driver = new Driver({
    createEngine: (sink) => createPortableEngine({ sink, ids }),
    ids,
    onEvent: () => {},
  });
  const [client, peer] = [await Peer.open(4, LOOPBACK), await Peer.open(4, LOOPBACK)];
  afterwards(t, async () => {
    client.close();
    peer.close();
    await driver.stop();
  });
  return { driver, ids, service: new FakeService(), client, peer };
}
