// What the fuzz and the model found, shrunk by hand.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpoint, Harness, ofType, PEER, silent } from './harness.ts';

describe('cases that the fuzz found', () => {
  test('taking a listener away leaves no deadline standing that is due', () => {
    const harness = new Harness();
    harness.udpClient('[2001:db8:9::9]:4000').mustAllocate();
    harness.now += 3_600_000;
    harness.run(() => harness.service.removeListener(harness.listener4, harness.now));
    assert.equal(harness.service.pollTimeout(), undefined);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('a stream whose patience is over when it closes is not closed again', () => {
    const harness = new Harness();
    const stream = harness.ids.stream();
    harness.run(() =>
      harness.service.handleStreamOpened(stream, harness.listener4, endpoint('11.0.0.1:5000'), harness.now),
    );
    harness.now += 60_000;
    const orders = harness.run(() => harness.service.handleStreamClosed(stream, harness.now));
    assert.deepEqual(orders, []);
    assert.equal(harness.service.stats().held.entries, 0);
  });

  test('nor is its Allocate answered that the engine never bound a port for', () => {
    const harness = new Harness();
    const client = harness.streamClient('11.0.0.1:5000');
    harness.answer = silent;
    client.allocate();
    harness.now += 60_000;
    const { reach } = client;
    assert.ok('stream' in reach);
    const orders = harness.run(() => harness.service.handleStreamClosed(reach.stream, harness.now));
    assert.deepEqual(ofType(orders, 'write'), []);
    assert.equal(harness.service.stats().held.openings, 0);
  });

  test('the slow path carries on a channel as much as a flow does', () => {
    const harness = new Harness();
    const client = harness.udpClient('11.0.0.1:5000');
    const [relayed] = client.mustAllocate();
    client.bind(0x4000, PEER);
    for (const [length, packets] of [
      [65_503, 1],
      [65_504, 0],
    ] as const) {
      const arrived = client.packetsIn(harness.fromPeer(relayed, PEER, new Uint8Array(length)));
      assert.deepEqual(
        arrived.map((packet) => packet.length),
        packets === 0 ? [] : [4 + length],
      );
    }
  });

  test('an indication as large as a datagram, and none that is larger', () => {
    const harness = new Harness();
    const client = harness.udpClient('11.0.0.1:5000');
    const [relayed] = client.mustAllocate();
    client.permit([PEER]);
    const lengths = [65_468, 65_469].map(
      (length) => client.packetsIn(harness.fromPeer(relayed, PEER, new Uint8Array(length)))[0]?.length,
    );
    assert.deepEqual(lengths, [65_504, undefined]);
  });
});
