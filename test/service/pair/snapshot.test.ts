import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointKey } from '../../../src/net/endpoint.ts';
import { IdSource } from '../../../src/net/ids.ts';
import { PairService } from '../../../src/service/pair/pair.ts';
import { SnapshotError } from '../../../src/service/pair/snapshot.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { seededRandom } from '../seeded.ts';
import { A, A6, B, bytes, C, GUID_2, Harness, handshake, receivers, testConfig } from './harness.ts';

describe('snapshot and restore', () => {
  test('pairs go on, halves wait on, as if nothing had been', () => {
    const before = new Harness();
    before.pair(A, B);
    before.send(A6, handshake(GUID_2));
    const after = reborn(before, 2_000);
    assert.deepEqual(after.counts, { open: 1, halfOpen: 1 });
    assert.deepEqual(after.send(A, bytes('x')), [{ to: endpointKey(B), packet: bytes('x'), by: 'flow' }]);
    assert.deepEqual(receivers(after.send(B, bytes('x'))), [endpointKey(A)]);
    assert.deepEqual(receivers(after.send(C, handshake(GUID_2))), [endpointKey(A6)]);
    const again = reborn(after, 0);
    assert.deepEqual(reborn(again, 0).service.snapshot(), again.service.snapshot());
  });

  test('what ran out of time meanwhile is left out and counted', () => {
    const before = new Harness();
    before.pair(A, B);
    before.pass(10_000);
    before.send(C, handshake(GUID_2));
    const after = reborn(before, 26_000);
    assert.deepEqual(after.counts, { open: 0, halfOpen: 1 });
    assert.equal(after.drops('restore-failed'), 1);
    after.pass(4_000);
    assert.deepEqual(after.service.stats().held, { entries: 0, deadlines: 0 });
  });

  test('a seat that was silent is silent still', () => {
    const before = new Harness();
    before.pair(A, B);
    before.pass(4_000);
    before.send(B, bytes('busy'));
    before.pass(3_000);
    const after = reborn(before, 0);
    assert.equal(after.flows.size, 1);
    assert.deepEqual(receivers(after.send({ ...A, port: 7 }, handshake())), [endpointKey(B)]);
  });

  test('without the listener that it came by a pair is left out', () => {
    const before = new Harness();
    before.pair(A6, B);
    const service = new PairService(testConfig(), new IdSource(), seededRandom('pair'));
    service.restore(before.service.snapshot(), before.now);
    assert.equal(service.stats().drops.get('restore-failed'), 1);
    assert.deepEqual(service.stats().held, { entries: 0, deadlines: 0 });
  });

  test('a pair of a form that is no longer taken is left out', () => {
    const before = new Harness(testConfig({ legacy: new Set(['v0.5']) }));
    const v05 = Buffer.from(`04b2800000000000${GUID_2}`, 'hex');
    before.send(A, v05);
    before.send(B, v05);
    before.send(C, handshake());
    const { values } = new KeptMirror(before.service);
    const after = new Harness();
    after.run(() => after.service.restoreEntries(values, after.now));
    assert.deepEqual(after.counts, { open: 0, halfOpen: 1 });
    assert.equal(after.drops('restore-failed'), 1);
  });

  test('wrong use is ours', () => {
    const harness = new Harness();
    harness.pair();
    const snapshot = harness.service.snapshot();
    assert.throws(() => harness.service.restore(snapshot, harness.now), SnapshotError);
    const other = { ...snapshot, version: 2 } as never;
    assert.throws(() => new Harness().service.restore(other, harness.now), { code: 'CULVERT_PAIR_SNAPSHOT' });
  });

  function reborn(before: Harness, away: number): Harness {
    const after = new Harness(testConfig(), before.now + away);
    const snapshot = JSON.parse(JSON.stringify(before.service.snapshot()));
    after.run(() => after.service.restore(snapshot, after.now));
    return after;
  }
});

test('a changed configuration holds for what comes', () => {
  const harness = new Harness();
  harness.send(A, handshake());
  const config = testConfig({ keys: [new Uint8Array(32).fill(1)] });
  harness.run(() => harness.service.updateConfig(config, harness.now));
  harness.send(B, handshake());
  assert.equal(harness.drops('wrong-mac'), 1);
});
