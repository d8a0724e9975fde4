import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowMisuse, FlowTable } from '../../src/flow/flow-table.ts';
import { bucketId, channel, channelData, exampleFlow, flowId, receiver, socketId, v4 } from './example.ts';

const data = Uint8Array.of(1, 2, 3);

test('a flow with the same match replaces the older one', () => {
  const table = new FlowTable();
  table.add(exampleFlow({ id: 1 }), 0);
  table.add(exampleFlow({ id: 2 }), 0);
  assert.equal(table.size, 1);
  assert.equal(table.remove(flowId(1)), undefined);
  assert.deepEqual(table.remove(flowId(2)), { packets: 0, bytes: 0, lastSeen: 0 });
  assert.equal(table.size, 0);
});

test('a flow may replace itself; the same id for another match is misuse and changes nothing', () => {
  const table = new FlowTable();
  table.add(exampleFlow({ id: 1 }), 0);
  table.add(exampleFlow({ id: 1, to: v4(9) }), 0);
  assert.throws(() => table.add(exampleFlow({ id: 1, remote: v4(1001) }), 0), FlowMisuse);
  assert.equal(table.find(socketId(1), v4(1001), data), 'no-flow');
  const found = table.find(socketId(1), v4(1000), data);
  assert.ok(typeof found !== 'string');
  assert.equal(found.flow.rewrite.remote.port, 9);
});

test('what no service may ask is refused before anything changes', () => {
  const table = new FlowTable();
  const limit = { bucket: bucketId(1), bytesPerSecond: 0, burst: 1 };
  for (const flow of [
    exampleFlow({ encapsulation: { kind: 'strip' } }),
    exampleFlow({ encapsulation: { kind: 'replace', channel: 0x4000 }, discriminator: receiver(1) }),
    exampleFlow({ encapsulation: { kind: 'add', channel: 0x3fff } }),
    exampleFlow({ discriminator: channel(0x8000) }),
    exampleFlow({ exceptWord: -1 }),
    exampleFlow({ exceptWord: 2 ** 32 }),
    exampleFlow({ exceptWord: 1, discriminator: receiver(1) }),
    exampleFlow({ limit }),
    exampleFlow({ limit: { ...limit, bytesPerSecond: 1, burst: 0 } }),
  ]) {
    assert.throws(() => table.add(flow, 0), { name: 'FlowMisuse', code: 'CULVERT_FLOW_MISUSE' });
  }
  assert.equal(table.size, 0);
});

test('every miss has its reason', () => {
  const table = new FlowTable();
  const at = (payload: Uint8Array) => table.find(socketId(1), v4(1000), payload);
  assert.equal(at(data), 'no-flow');
  table.add(exampleFlow({ id: 1, discriminator: channel(0x4001) }), 0);
  assert.equal(at(data), 'no-flow');
  assert.equal(at(channelData(0x4002, data)), 'unknown-channel');
  assert.equal(at(Uint8Array.of(0x40, 1, 0, 9)), 'malformed-channel-data');
  table.add(exampleFlow({ id: 2, discriminator: receiver(7) }), 0);
  assert.equal(at(Object.assign(new Uint8Array(32), { 0: 4, 4: 8 })), 'unknown-receiver');
  assert.equal(table.find(socketId(1), v4(1001), channelData(0x4001, data)), 'no-flow');
  assert.equal(table.find(socketId(3), v4(1000), channelData(0x4001, data)), 'no-flow');
});

test('a flow leaves payloads that begin with the word it excepts, and takes shorter ones', () => {
  const table = new FlowTable();
  table.add(exampleFlow({ exceptWord: 0x04b28000 }), 0);
  const at = (...payload: number[]) => table.find(socketId(1), v4(1000), Uint8Array.from(payload));
  assert.equal(at(0x04, 0xb2, 0x80, 0x00), 'excepted-word');
  assert.equal(at(0x04, 0xb2, 0x80, 0x00, 1, 2), 'excepted-word');
  for (const payload of [[], [0x04, 0xb2, 0x80], [0x04, 0xb2, 0x80, 0x01], [0x84, 0xb2, 0x80, 0x00]]) {
    assert.equal(typeof at(...payload), 'object', payload.join());
  }
  table.add(exampleFlow({ exceptWord: 0xffffffff }), 0);
  assert.equal(at(0xff, 0xff, 0xff, 0xff), 'excepted-word');
  assert.equal(typeof at(0xff, 0xff, 0xff), 'object');
});

test('removing a socket removes what matches on it and what sends from it, and nothing else', () => {
  const table = new FlowTable();
  table.add(exampleFlow({ id: 1, at: 1, via: 2 }), 0);
  table.add(exampleFlow({ id: 2, at: 2, via: 1 }), 0);
  table.add(exampleFlow({ id: 3, at: 1, via: 3, remote: v4(1001) }), 0);
  table.add(exampleFlow({ id: 4, at: 3, via: 3 }), 0);
  table.removeSocket(socketId(2));
  assert.deepEqual(
    [1, 2, 3, 4].map((id) => table.counters(flowId(id)) !== undefined),
    [false, false, true, true],
  );
  assert.equal(table.find(socketId(1), v4(1000), data), 'no-flow');
  table.removeSocket(socketId(9));
  assert.equal(table.size, 2);
  assert.deepEqual(table.sizes(), new Map([['turn', 2]]));
});

test('idle flows go at their time, busy ones stay, 0 is never', () => {
  const table = new FlowTable(10);
  table.add(exampleFlow({ id: 1, remote: v4(1), idle: 100 }), 1000);
  table.add(exampleFlow({ id: 2, remote: v4(2), idle: 100 }), 1000);
  table.add(exampleFlow({ id: 3, remote: v4(3) }), 1000);
  const busy = table.find(socketId(1), v4(2), data);
  assert.ok(typeof busy !== 'string');
  busy.admit(data, 1060);
  const reaped = (now: number) => table.reapIdle(now).map((flow) => flow.id);
  assert.deepEqual(reaped(1090), []);
  assert.deepEqual(reaped(1100), [1]);
  assert.deepEqual(reaped(1150), []);
  assert.deepEqual(reaped(1160), [2]);
  assert.deepEqual(reaped(1e15), []);
  assert.equal(table.size, 1);
  assert.equal(table.remove(flowId(2)), undefined);
});

test('a removed or replaced flow is never reported idle', () => {
  const table = new FlowTable(10);
  table.add(exampleFlow({ id: 1, idle: 100 }), 0);
  table.add(exampleFlow({ id: 2, idle: 100 }), 0);
  table.remove(flowId(2));
  assert.deepEqual(table.reapIdle(10_000), []);
});

test('flows share a bucket by its id, and replacing a flow does not refill it', () => {
  const table = new FlowTable();
  const limit = { bucket: bucketId(5), bytesPerSecond: 1, burst: 10 };
  const admit = (port: number, bytes: number) => {
    const found = table.find(socketId(1), v4(port), new Uint8Array(bytes));
    assert.ok(typeof found !== 'string');
    return found.admit(new Uint8Array(bytes), 0);
  };
  table.add(exampleFlow({ id: 1, remote: v4(1), limit }), 0);
  table.add(exampleFlow({ id: 2, remote: v4(2), limit }), 0);
  assert.equal(admit(1, 6), undefined);
  assert.equal(admit(2, 5), 'rate-limited');
  table.remove(flowId(2));
  table.add(exampleFlow({ id: 3, remote: v4(1), limit }), 0);
  assert.equal(admit(1, 5), 'rate-limited');
  assert.equal(admit(1, 4), undefined);
  table.remove(flowId(3));
  table.add(exampleFlow({ id: 4, remote: v4(1), limit }), 0);
  assert.equal(admit(1, 10), undefined, 'a bucket that nobody held any more is a fresh one');
});

test('traffic outlives its flows and is told by direction', () => {
  const table = new FlowTable();
  table.add(exampleFlow({ id: 1 }), 0);
  table.add(exampleFlow({ id: 2, remote: v4(2), direction: 'to_client' }), 0);
  for (const port of [1000, 1000, 2]) {
    const found = table.find(socketId(1), v4(port), data);
    assert.ok(typeof found !== 'string');
    found.admit(data, 1);
  }
  table.removeSocket(socketId(1));
  assert.deepEqual(table.traffic(), [
    { service: 'turn', direction: 'to_peer', packets: 2, bytes: 6 },
    { service: 'turn', direction: 'to_client', packets: 1, bytes: 3 },
  ]);
});
