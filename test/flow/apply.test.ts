import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply } from '../../src/flow/apply.ts';
import type { Encapsulation } from '../../src/flow/flow.ts';
import { FlowTable } from '../../src/flow/flow-table.ts';
import {
  bucketId,
  channel,
  channelData,
  exampleFlow,
  type FlowParts,
  flowId,
  receiver,
  socketId,
  v4,
  v6,
} from './example.ts';

const data = Uint8Array.of(9, 8, 7, 6, 5);

/** The verdict on a payload from the remote of a table's only flow. */
function verdictOf(parts: FlowParts, payload: Uint8Array) {
  const table = new FlowTable();
  table.add(exampleFlow(parts), 0);
  return { table, verdict: apply(table, { socket: socketId(1), remote: v4(1000) }, payload, 1234) };
}

test('encapsulation: what comes in, what goes out', () => {
  const toChannel = { kind: 'add', channel: 0x4fff } as const;
  const replaced = { kind: 'replace', channel: 0x7001 } as const;
  const cases: [string, FlowParts, Uint8Array, Uint8Array][] = [
    ['keep', {}, data, data],
    ['keep of nothing', {}, new Uint8Array(0), new Uint8Array(0)],
    ['strip', { encapsulation: { kind: 'strip' } }, channelData(0x4000, data), data],
    ['strip with padding', { encapsulation: { kind: 'strip' } }, channelData(0x4000, data, 3), data],
    [
      'strip of nothing',
      { encapsulation: { kind: 'strip' } },
      channelData(0x4000, new Uint8Array(0)),
      new Uint8Array(0),
    ],
    ['add', { encapsulation: toChannel }, data, channelData(0x4fff, data)],
    ['add to nothing', { encapsulation: toChannel }, new Uint8Array(0), channelData(0x4fff, new Uint8Array(0))],
    [
      'add over 255 bytes',
      { encapsulation: toChannel },
      new Uint8Array(1200),
      channelData(0x4fff, new Uint8Array(1200)),
    ],
    ['replace', { encapsulation: replaced }, channelData(0x4000, data), channelData(0x7001, data)],
    ['replace with padding', { encapsulation: replaced }, channelData(0x4000, data, 3), channelData(0x7001, data)],
    [
      'keep of a channel',
      { encapsulation: { kind: 'keep' } },
      channelData(0x4000, data, 3),
      channelData(0x4000, data, 3),
    ],
  ];
  for (const [name, parts, payload, expected] of cases) {
    const before = Uint8Array.from(payload);
    const stripped = payload[0] === 0x40 ? { discriminator: channel(0x4000) } : {};
    const { table, verdict } = verdictOf({ ...parts, ...stripped }, payload);
    assert.equal(verdict.kind, 'forward', name);
    assert.deepEqual(Uint8Array.from(verdict.packet), expected, name);
    assert.deepEqual(payload, before, `${name}: the payload is left alone`);
    assert.equal(verdict.from, 2);
    assert.deepEqual(verdict.to, v4(2000, '192.0.2.2'));
    assert.deepEqual(table.counters(flowId(1)), { packets: 1, bytes: payload.length, lastSeen: 1234 }, name);
  }
});

test('a discriminated flow comes first, then the one without', () => {
  const table = new FlowTable();
  table.add(exampleFlow({ id: 1 }), 0);
  table.add(exampleFlow({ id: 2, discriminator: channel(0x4000), encapsulation: { kind: 'strip' } }), 0);
  table.add(exampleFlow({ id: 3, discriminator: receiver(7) }), 0);
  const taker = (payload: Uint8Array) => {
    const verdict = apply(table, { socket: socketId(1), remote: v4(1000) }, payload, 0);
    assert.equal(verdict.kind, 'forward');
    return verdict.flow.id;
  };
  assert.equal(taker(channelData(0x4000, data)), 2);
  assert.equal(taker(channelData(0x4001, data)), 1);
  assert.equal(taker(Uint8Array.of(0x40, 0, 0, 1)), 1, 'malformed ChannelData is plain data where plain data goes');
  assert.equal(taker(Object.assign(new Uint8Array(32), { 0: 4, 4: 7 })), 3);
  assert.equal(taker(Object.assign(new Uint8Array(32), { 0: 4, 4: 8 })), 1);
  assert.equal(taker(data), 1);
});

test('malformed ChannelData is a miss where only channels go', () => {
  const { verdict, table } = verdictOf(
    { discriminator: channel(0x4000), encapsulation: { kind: 'strip' } },
    Uint8Array.of(0x40, 0, 0, 2, 1),
  );
  assert.deepEqual(verdict, { kind: 'miss', reason: 'malformed-channel-data' });
  assert.deepEqual(table.counters(flowId(1)), { packets: 0, bytes: 0, lastSeen: 0 });
});

test('what the outgoing family cannot carry is dropped and not charged', () => {
  const limit = { bucket: bucketId(1), bytesPerSecond: 1, burst: 65_527 };
  const add: Encapsulation = { kind: 'add', channel: 0x4000 };
  const cases: [FlowParts, number, boolean][] = [
    [{ encapsulation: add }, 65_503, true],
    [{ encapsulation: add }, 65_504, false],
    [{ encapsulation: add, to: v6(1) }, 65_523, true],
    [{ encapsulation: add, to: v6(1) }, 65_524, false],
    [{}, 65_508, false],
    [{ to: v6(1) }, 65_527, true],
  ];
  for (const [parts, size, passes] of cases) {
    const { verdict, table } = verdictOf({ ...parts, limit }, new Uint8Array(size));
    assert.equal(verdict.kind, passes ? 'forward' : 'drop', `${size}`);
    if (verdict.kind !== 'drop') continue;
    assert.equal(verdict.reason, 'too-big');
    const small = apply(table, { socket: socketId(1), remote: v4(1000) }, new Uint8Array(65_000), 1234);
    assert.equal(small.kind, 'forward', 'the bucket is still full');
  }
});

test('a limit charges payload bytes as received; what it refuses is seen but not counted', () => {
  const limit = { bucket: bucketId(1), bytesPerSecond: 1000, burst: 12 };
  const table = new FlowTable();
  table.add(exampleFlow({ discriminator: channel(0x4000), encapsulation: { kind: 'strip' }, limit }), 0);
  const at = (now: number) => {
    const verdict = apply(table, { socket: socketId(1), remote: v4(1000) }, channelData(0x4000, data, 3), now);
    return verdict.kind === 'drop' ? verdict.reason : verdict.kind;
  };
  assert.equal(at(100), 'forward');
  assert.equal(at(111), 'rate-limited');
  assert.deepEqual(table.counters(flowId(1)), { packets: 1, bytes: 12, lastSeen: 111 });
  assert.equal(at(112), 'forward');
});
