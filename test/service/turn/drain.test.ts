import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, codeOf, Harness, PEER } from './harness.ts';

test('no new allocations; those that are there are refreshed, get permissions and channels, and end', () => {
  const harness = new Harness();
  const client = harness.udpClient('203.0.113.77:1');
  client.mustAllocate();
  harness.run(() => harness.service.drain(harness.now));
  assert.equal(harness.service.clientsLeft, 1);
  for (const newcomer of [harness.udpClient('203.0.113.77:2'), harness.streamClient('203.0.113.77:3')]) {
    assert.equal(codeOf(newcomer.allocate()), 508);
  }
  assert.equal(harness.service.stats().drops.get('draining'), 2);
  client.bind(0x4000, PEER);
  assert.equal(codeOf(client.refresh({ lifetime: 600 })), 'success');
  assert.equal(harness.flows.size, 2);
  client.refresh({ lifetime: 0 });
  assert.equal(harness.service.clientsLeft, 0);
});

test('an answer that was lost is given again', () => {
  const harness = new Harness();
  const client = harness.udpClient('203.0.113.77:1');
  const transactionId = bytes('transaction-');
  client.allocate({}, { transactionId });
  harness.run(() => harness.service.drain(harness.now));
  assert.equal(codeOf(client.allocate({}, { transactionId })), 'success');
});

test('a reserved port is not given out', () => {
  const harness = new Harness();
  const reservationToken = harness.udpClient('203.0.113.77:1').allocate({ evenPort: { reserveNext: true } })
    ?.attributes.reservationToken;
  assert.ok(reservationToken);
  harness.run(() => harness.service.drain(harness.now));
  assert.equal(codeOf(harness.udpClient('203.0.113.77:2').allocate({ reservationToken })), 508);
  harness.run(() => harness.service.resume(harness.now));
  assert.equal(codeOf(harness.udpClient('203.0.113.77:2').allocate({ reservationToken })), 'success');
});
