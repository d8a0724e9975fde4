import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointKey } from '../../../src/net/endpoint.ts';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { A, B, bytes, GUID, Harness, handshake } from './harness.ts';

function block(harness: Harness, text: string): void {
  const prefix = parsePrefix(text);
  assert.ok(prefix);
  harness.blocks.add(prefix);
  harness.run(() => harness.service.applyBlocks(harness.now));
}

test('who is blocked loses his pair, flows and all, and gets no other', () => {
  const harness = new Harness();
  harness.pair();
  harness.send(B, bytes('hello'));
  assert.ok(harness.flows.size > 0);
  block(harness, A.address);
  assert.deepEqual([harness.flows.size, harness.counts], [0, { open: 0, halfOpen: 0 }]);
  harness.send(A, handshake(GUID));
  assert.equal(harness.drops('blocked'), 1);
  harness.send(B, handshake(GUID));
  assert.deepEqual(harness.counts, { open: 0, halfOpen: 1 });
});

test('pairs of others stay', () => {
  const harness = new Harness();
  harness.pair();
  block(harness, '192.0.2.250');
  assert.deepEqual(harness.counts, { open: 1, halfOpen: 0 });
});

test('client records have both seats, and keep what idle flows carried', () => {
  const harness = new Harness();
  const began = harness.now;
  harness.pair();
  harness.send(A, bytes('1234'));
  harness.send(A, bytes('5678'));
  harness.send(B, bytes('123'));
  const read = () => new Map([...harness.service.clients()].map((record) => [endpointKey(record.endpoint), record]));
  const check = () => {
    const [first, second] = [read().get(endpointKey(A)), read().get(endpointKey(B))];
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(first.firstSeen, began);
    assert.equal(first.id, second.id);
    assert.ok(!first.id?.includes(GUID.slice(0, 12)));
    assert.equal(first.sent.bytes, 8);
    // The handshake that made the pair complete goes on to the other as well.
    assert.deepEqual(first.received, { packets: 2, bytes: 3 + handshake(GUID).length });
    assert.deepEqual(second.sent, first.received);
    assert.deepEqual(second.received, first.sent);
  };
  check();
  harness.pass(10_000);
  assert.equal(harness.flows.size, 0);
  check();
});
