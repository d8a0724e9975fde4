// What the fuzz and the model found, shrunk by hand.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Harness } from './harness.ts';

describe('cases that the fuzz found', () => {
  test('taking a listener away leaves no deadline standing that is due', () => {
    const harness = new Harness();
    harness.udpClient('[2001:db8:9::9]:4000').mustAllocate();
    harness.now += 3_600_000;
    harness.run(() => harness.service.removeListener(harness.listener4, harness.now));
    assert.equal(harness.service.pollTimeout(), undefined);
    assert.equal(harness.service.stats().allocations, 0);
  });
});
