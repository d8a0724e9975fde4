import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointKey } from '../src/net/endpoint.ts';

test('endpoint keys tell families apart', () => {
  assert.equal(endpointKey({ family: 6, address: '::1', port: 1 }), '[::1]:1');
  assert.equal(endpointKey({ family: 4, address: '127.0.0.1', port: 1 }), '127.0.0.1:1');
});
