import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineName } from '../../src/engine/engine.ts';
import { parseEndpoint } from '../../src/net/endpoint.ts';
import { IdSource } from '../../src/net/ids.ts';
import { bestAddress, ownAddresses } from '../../src/runtime/addresses.ts';
import { AskedAddresses } from '../../src/runtime/asked-addresses.ts';
import { missing } from '../requirements.ts';

const told = { ipv4: '203.0.113.7', ipv6: undefined };

function askedOf(
  client: string,
  { name = 'portable' as EngineName, seen = undefined as string | undefined, told = {} },
) {
  const endpoint = parseEndpoint(client);
  assert.ok(endpoint);
  return new AskedAddresses({ name, sourceOf: () => seen }, told).of(new IdSource().socket(), endpoint);
}

test('what the engine has seen comes first, then the public address of the family', () => {
  assert.equal(askedOf('198.51.100.1:1', { seen: '10.0.0.5', told }), '10.0.0.5');
  assert.equal(askedOf('198.51.100.1:1', { told }), '203.0.113.7');
  assert.equal(askedOf('127.0.0.9:1', { told }), '127.0.0.1');
  assert.equal(askedOf('[::1]:1', { told }), '::1');
});

test('without either it is the address that answers leave from', { skip: missing('ffi') }, () => {
  const best = bestAddress(ownAddresses(), 4);
  assert.equal(askedOf('198.51.100.1:1', {}), best);
  // Wherever the routes lead, it is one of ours.
  const routed = askedOf('198.51.100.1:1', { name: 'batched' });
  assert.ok(
    ownAddresses().some(({ address }) => address === routed),
    `${routed}`,
  );
  assert.notEqual(askedOf('[2001:db8::1]:1', { told, name: 'batched' }), '203.0.113.7');
});
