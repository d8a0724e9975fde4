import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DropCounts } from '../../../src/engine/portable/drop-counts.ts';
import { UdpSocket } from '../../../src/engine/portable/udp-socket.ts';
import { SocketFlows } from '../../../src/flow/socket-flows.ts';
import { afterwards } from '../../afterwards.ts';
import { socketId } from '../../flow/example.ts';
import { loopback } from '../conformance/rig.ts';

// Sending to the broadcast address fails at once, because nobody asked for SO_BROADCAST.
const FAILING = '255.255.255.255';
const STRETCH = 16;

test('a failure that lasts is counted from the first packet of a flow on', async (t) => {
  const { send, failures } = openSocket(t);
  for (let ordinal = 1; ordinal <= 50; ordinal++) await send(FAILING, ordinal);
  assert.equal(failures(), 50);
});

test('a failure that begins later goes unseen for less than a stretch', async (t) => {
  const { send, failures } = openSocket(t);
  await send('127.0.0.1', 1);
  for (let ordinal = 2; ordinal <= 50; ordinal++) await send(FAILING, ordinal);
  assert.equal(failures(), 49 - (STRETCH - 1));
});

test('a flow that fails is not overlooked for others on its socket that do not', async (t) => {
  const { send, failures } = openSocket(t);
  for (let ordinal = 1; ordinal <= 50; ordinal++) {
    for (let good = 1; good < STRETCH; good++) await send('127.0.0.1', ordinal);
    await send(FAILING, ordinal);
  }
  assert.equal(failures(), 50);
});

test('what is no packet of a flow is always watched', async (t) => {
  const { send, failures } = openSocket(t);
  for (let n = 1; n <= 5; n++) {
    await send('127.0.0.1');
    await send(FAILING);
  }
  assert.equal(failures(), 5);
});

function openSocket(t: { after(step: () => void): void }) {
  const drops = new DropCounts();
  const socket = new UdpSocket(socketId(1), 4, new SocketFlows(), drops, () => {});
  const bound = socket.bind(loopback(4), { receive: 65_536, send: 65_536 });
  assert.ok(bound.ok);
  afterwards(t, () => socket.close());
  return {
    failures: () => drops.read().get('turn')?.get('not-permitted') ?? 0,
    async send(address: string, ordinal?: number): Promise<void> {
      socket.send(Uint8Array.of(1), bound.local.port, address, 'turn', ordinal);
      await nextTurn();
    },
  };
}
