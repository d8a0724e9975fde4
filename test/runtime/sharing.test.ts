import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { IdSource } from '../../src/net/ids.ts';
import { Driver } from '../../src/runtime/driver.ts';
import { encodeHandshake } from '../../src/wire/pair/handshake.ts';
import { encodeMessage } from '../../src/wire/stun/codec.ts';
import { METHOD_BINDING } from '../../src/wire/stun/message.ts';
import { v4 } from '../flow/example.ts';
import { FakeEngine, FakeService } from './fakes.ts';

const spec = { transport: 'udp', local: v4(3478) } as const;
const message = {
  class: 'request',
  method: METHOD_BINDING,
  transactionId: new Uint8Array(12),
  attributes: {},
} as const;
const binding = encodeMessage(message).slice();
const handshake = encodeHandshake({ guid: 'ab'.repeat(16), flags: 0 }, new Uint8Array(32));
const garbage = Uint8Array.of(0xff, 1, 2, 3);

test('two services that name one UDP listener share its socket; a datagram goes to the one whose protocol it is', async () => {
  const { engine, turn, pair, socket } = await shared();
  assert.equal(engine.calls.filter(([name]) => name === 'listen').length, 1);
  for (const packet of [binding, handshake, garbage]) engine.sink.datagram(socket, v4(1), packet);
  assert.deepEqual(packetsOf(turn), [binding, garbage], "what is nobody's goes to the first, to be counted");
  assert.deepEqual(packetsOf(pair), [handshake]);
});

test('a service that owns the sender gets whatever he sends', async () => {
  const { engine, turn, pair, socket } = await shared();
  pair.owned = v4(7);
  for (const packet of [binding, garbage]) engine.sink.datagram(socket, v4(7), packet);
  engine.sink.datagram(socket, v4(8), binding);
  assert.deepEqual(packetsOf(pair), [binding, garbage]);
  assert.deepEqual(packetsOf(turn), [binding]);
});

test('another address, another port and another transport are other listeners', async () => {
  const { driver, engine, pair } = await shared();
  for (const other of [
    { ...spec, local: v4(3479) },
    { ...spec, local: v4(3478, '192.0.2.2') },
    { transport: 'tcp', local: v4(3478), maxStreams: 1 } as const,
  ]) {
    engine.listenResult = { ok: true, local: other.local };
    await driver.listen(pair, other);
  }
  assert.equal(engine.calls.filter(([name]) => name === 'listen').length, 4);
});

test("once closed it is nobody's, and opening it again opens it", async () => {
  const { driver, engine, turn, pair, socket } = await shared();
  driver.unlisten(socket);
  engine.sink.datagram(socket, v4(1), handshake);
  assert.deepEqual([...turn.calls, ...pair.calls], []);
  const again = await driver.listen(pair, spec);
  assert.notEqual(again.socket, socket);
  engine.sink.datagram(again.socket, v4(1), binding);
  assert.deepEqual(packetsOf(pair), [binding], 'not shared now');
});

class OwningService extends FakeService {
  owned: Endpoint | undefined = undefined;

  owns(_at: unknown, from: Endpoint): boolean {
    return from.port === this.owned?.port;
  }
}

async function shared() {
  const ids = new IdSource();
  let engine: FakeEngine | undefined;
  const createEngine = (sink: ConstructorParameters<typeof FakeEngine>[0]) => (engine = new FakeEngine(sink));
  const driver = new Driver({ ids, createEngine, onEvent: () => {}, clock: () => 1000 });
  assert.ok(engine);
  engine.listenResult = { ok: true, local: spec.local };
  const [turn, pair] = [new FakeService('turn'), new OwningService('pair')];
  const { socket } = await driver.listen(turn, spec);
  assert.equal((await driver.listen(pair, spec)).socket, socket);
  return { driver, engine, turn, pair, socket };
}

function packetsOf({ calls }: FakeService): unknown[] {
  return calls.filter(([name]) => name === 'datagram').map((call) => call[3]);
}
