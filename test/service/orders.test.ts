import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StreamId } from '../../src/net/ids.ts';
import { OrderQueue } from '../../src/service/orders.ts';
import type { Order } from '../../src/service/service.ts';

test('orders come out as they went in, whatever the mix of adding and taking', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 3000 }), (steps) => {
      const queue = new OrderQueue();
      const model: Order[] = [];
      steps.forEach((adds, index) => {
        const order: Order = { type: 'closeStream', stream: index as StreamId };
        if (adds) {
          queue.add(order);
          model.push(order);
        } else assert.equal(queue.take(), model.shift());
      });
      for (const order of model) assert.equal(queue.take(), order);
      assert.equal(queue.take(), undefined);
    }),
    { numRuns: 50 },
  );
});
