import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EndpointMap } from '../../src/flow/endpoint-map.ts';
import { FewMap } from '../../src/flow/few-map.ts';

type Step = { readonly op: 'set' | 'delete'; readonly key: number; readonly value: number };

const steps = fc.array(fc.record<Step>({ op: fc.constantFrom('set', 'delete'), key: fc.nat(5), value: fc.nat() }));

test('FewMap is a Map', () => {
  fc.assert(
    fc.property(steps, (todo) => {
      const few = new FewMap<number>();
      const model = new Map<number, number>();
      for (const { op, key, value } of todo) {
        if (op === 'set') {
          few.set(key, value);
          model.set(key, value);
        } else {
          few.delete(key);
          model.delete(key);
        }
        assert.equal(few.size, model.size);
        for (let key = 0; key <= 5; key++) assert.equal(few.get(key), model.get(key));
      }
    }),
  );
});

test('EndpointMap is a Map by address and port', () => {
  const addresses = ['192.0.2.1', '2001:db8::1'];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...addresses), fc.nat(3), fc.option(fc.nat()))), (todo) => {
      const map = new EndpointMap<number>();
      const model = new Map<string, number>();
      for (const [address, port, value] of todo) {
        if (value === null) {
          map.delete(address, port);
          model.delete(`${address} ${port}`);
        } else {
          map.set(address, port, value);
          model.set(`${address} ${port}`, value);
        }
        for (const a of addresses) {
          for (let p = 0; p <= 3; p++) assert.equal(map.get(a, p), model.get(`${a} ${p}`));
        }
      }
    }),
  );
});
