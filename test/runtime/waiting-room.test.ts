import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineSink } from '../../src/engine/engine.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { SocketId, StreamId } from '../../src/net/ids.ts';
import { WaitingRoom } from '../../src/runtime/waiting-room.ts';

const from: Endpoint = { family: 4, address: '192.0.2.1', port: 1 };
const at = 1 as SocketId;
const stream = 2 as StreamId;

function rig() {
  const heard: unknown[] = [];
  const note =
    (name: string) =>
    (...what: unknown[]) =>
      void heard.push([name, ...what.map((one) => (one instanceof Uint8Array ? Buffer.from(one).toString() : one))]);
  const names = ['datagram', 'portOpened', 'flowIdle', 'streamOpened', 'streamConnected', 'streamData', 'streamClosed'];
  const sink = Object.fromEntries(names.map((name) => [name, note(name)])) as unknown as EngineSink;
  return { heard, room: new WaitingRoom(sink) };
}

test('what comes from outside waits, in order and as it was; answers pass', () => {
  const { heard, room } = rig();
  room.hold();
  const buffer = Buffer.from('one');
  room.sink.datagram(at, from, buffer);
  room.sink.streamOpened(stream, at, from, from);
  room.sink.streamData(stream, buffer);
  buffer.write('two');
  room.sink.portOpened(at, { ok: true, local: from });
  assert.deepEqual(heard, [['portOpened', at, { ok: true, local: from }]]);
  room.release();
  room.sink.datagram(at, from, buffer);
  room.sink.streamClosed(stream, { bytes: 3, clean: true });
  assert.deepEqual(heard.slice(1), [
    ['datagram', at, from, 'one'],
    ['streamOpened', stream, at, from, from],
    ['streamData', stream, 'one'],
    ['datagram', at, from, 'two'],
    ['streamClosed', stream, { bytes: 3, clean: true }],
  ]);
});

test('a flood fills no memory, and costs no stream', () => {
  const { heard, room } = rig();
  room.hold();
  for (let count = 0; count < 10_000; count++) room.sink.datagram(at, from, Buffer.from('x'));
  room.sink.streamOpened(stream, at, from, from);
  room.release();
  assert.equal(heard.length, 4097);
  assert.equal((heard.at(-1) as unknown[])[0], 'streamOpened');
});
