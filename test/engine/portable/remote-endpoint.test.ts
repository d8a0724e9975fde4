import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, remoteEndpoint } from '../../../src/engine/portable/remote-endpoint.ts';

test('what Node says about a peer becomes canonical', () => {
  for (const [heard, address] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::192.0.2.1', '::c000:201'],
    ['fe80::1%eth0', 'fe80::1'],
    ['fe80::1%wg+1@x', 'fe80::1'],
    ['fe80::1%%', 'fe80::1'],
  ] as const) {
    assert.equal(canonicalAddress(heard), address);
  }
  assert.deepEqual(remoteEndpoint('fe80::1%br@in', 7), { family: 6, address: 'fe80::1', port: 7 });
});
