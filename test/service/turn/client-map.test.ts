import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import { IdSource } from '../../../src/net/ids.ts';
import { Allocation } from '../../../src/service/turn/allocation.ts';
import { UdpClient } from '../../../src/service/turn/client.ts';
import { ClientMap } from '../../../src/service/turn/client-map.ts';

const socket = new IdSource().socket();

const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  family: fc.constant<4>(4),
  address: fc.constantFrom('192.0.2.1', '192.0.2.2'),
  port: fc.integer({ min: 0, max: 3 }),
});

test('ClientMap does what a map by endpoint key does, with many hosts as with many ports of one', () => {
  const step = fc.tuple(fc.constantFrom('set', 'delete'), endpoint);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const map = new ClientMap();
      const model = new Map<string, Allocation>();
      for (const [action, client] of steps) {
        if (action === 'set') {
          const allocation = allocationOf(client);
          map.set(allocation);
          model.set(endpointKey(client), allocation);
        } else {
          map.delete(client);
          model.delete(endpointKey(client));
        }
        assert.equal(map.get(client), model.get(endpointKey(client)));
        assert.equal(map.empty, model.size === 0);
        assert.deepEqual(new Set(map.values()), new Set(model.values()));
      }
    }),
  );
});

test('ClientMap forgets a host with its last client', () => {
  const map = new ClientMap();
  const ports = [1, 2, 3].map((port): Endpoint => ({ family: 4, address: '192.0.2.1', port }));
  for (const client of ports) map.set(allocationOf(client));
  for (const client of ports) {
    assert.equal(map.empty, false);
    map.delete(client);
  }
  assert.equal(map.empty, true);
  assert.deepEqual([...map.values()], []);
});

function allocationOf(client: Endpoint): Allocation {
  return new Allocation(new UdpClient(socket, client), 'user', 0, 'transaction1', 0);
}
