import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PortPool, PortPoolError } from '../../../src/service/turn/port-pool.ts';
import { UniformSource } from '../../../src/service/uniform.ts';
import { seededRandom } from '../seeded.ts';

test('gives out every port of the range once, then none', () => {
  const pool = new PortPool(49152, 65535, seededRandom(1));
  const taken = new Set<number>();
  for (let port = pool.take(); port !== undefined; port = pool.take()) taken.add(port);
  assert.equal(taken.size, 16384);
  assert.equal(Math.min(...taken), 49152);
  assert.equal(Math.max(...taken), 65535);
  assert.equal(pool.free, 0);
  assert.equal(pool.takeEven(false), undefined);
  assert.equal(pool.takeEven(true), undefined);
});

test('serves EVEN-PORT and the reservation from the last pair that is left', () => {
  const pool = new PortPool(49152, 65535, seededRandom(2));
  // Beside the pair, lone even and lone odd ports are left: free, but no use for a reservation.
  for (let port = 49152; port <= 65535; port++) {
    const isLone = port % 4 === 0 || port % 4 === 3;
    if (port !== 50000 && port !== 50001 && !isLone) pool.takeThis(port);
  }
  assert.equal(pool.takeEven(true), 50000);
  assert.equal(pool.takeEven(true), undefined);
  assert.ok(pool.free > 1000);
});

test('a pair whose odd half is taken serves EVEN-PORT but no reservation', () => {
  const pool = new PortPool(100, 101, seededRandom(3));
  assert.equal(pool.takeThis(101), true);
  assert.equal(pool.takeEven(true), undefined);
  assert.equal(pool.takeEven(false), 100);
  pool.release(100);
  pool.release(101);
  assert.equal(pool.takeEven(true), 100);
  assert.equal(pool.free, 0);
});

test('a range that begins odd and ends even has no pair across its edges', () => {
  const pool = new PortPool(1001, 1002, seededRandom(4));
  assert.equal(pool.free, 2);
  assert.equal(pool.takeEven(true), undefined);
  assert.equal(pool.takeEven(false), 1002);
  assert.equal(pool.take(), 1001);
});

test('covers the widest range and a range of one port', () => {
  const widest = new PortPool(1, 65535, seededRandom(5));
  assert.equal(widest.free, 65535);
  assert.equal(widest.takeThis(65535), true);
  assert.equal(widest.takeThis(1), true);
  assert.equal(new PortPool(7, 7, seededRandom(5)).take(), 7);
});

test('16,384 ports take less than 200 KB', () => {
  const before = process.memoryUsage().arrayBuffers;
  const pool = new PortPool(49152, 65535, seededRandom(8));
  const bytes = process.memoryUsage().arrayBuffers - before;
  assert.equal(pool.free, 16384);
  assert.ok(bytes > 0 && bytes < 200_000, `${bytes} bytes`);
});

test('takeThis refuses what is taken or foreign', () => {
  const pool = new PortPool(1000, 1010, seededRandom(6));
  assert.equal(pool.takeThis(1003), true);
  assert.equal(pool.takeThis(1003), false);
  for (const foreign of [999, 1011, 0, -1, 1000.5, Number.NaN]) assert.equal(pool.takeThis(foreign), false);
  assert.equal(pool.free, 10);
});

test('giving back what was not taken is a mistake and throws', () => {
  const pool = new PortPool(1000, 1010, seededRandom(7));
  assert.throws(() => pool.release(1000), new PortPoolError('PORT_FREE', 'port 1000 is free already'));
  assert.throws(() => pool.release(2000), PortPoolError);
  assert.throws(() => new PortPool(10, 9, seededRandom(7)), PortPoolError);
  assert.throws(() => new PortPool(0, 9, seededRandom(7)), PortPoolError);
  assert.throws(() => new PortPool(1, 65536, seededRandom(7)), PortPoolError);
});

test('agrees with a set of free ports under any sequence of operations', () => {
  const operation = fc.record({
    type: fc.constantFrom('take', 'even', 'pair', 'this', 'release'),
    pick: fc.nat(1000),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.nat(12),
      fc.array(operation),
      fc.nat(),
      (min, span, operations, seed) => {
        const pool = new PortPool(min, min + span, seededRandom(seed));
        const free = new Set(Array.from({ length: span + 1 }, (_, index) => min + index));
        const taken: number[] = [];
        const give = (port: number): void => {
          assert.ok(free.delete(port), `port ${port} was not free`);
          taken.push(port);
        };
        for (const { type, pick } of operations) {
          const evens = [...free].filter((port) => port % 2 === 0);
          if (type === 'take') {
            const port = pool.take();
            assert.equal(port === undefined, free.size === 0);
            if (port !== undefined) give(port);
          } else if (type === 'even') {
            const port = pool.takeEven(false);
            assert.equal(port === undefined, evens.length === 0);
            if (port !== undefined) give(port);
            assert.equal((port ?? 0) % 2, 0);
          } else if (type === 'pair') {
            const port = pool.takeEven(true);
            assert.equal(port === undefined, !evens.some((even) => free.has(even + 1)));
            if (port !== undefined) [port, port + 1].forEach(give);
            assert.equal((port ?? 0) % 2, 0);
          } else if (type === 'this') {
            const port = pick % 25;
            assert.equal(pool.takeThis(port), free.has(port));
            if (free.has(port)) give(port);
          } else if (taken.length > 0) {
            const [port = 0] = taken.splice(pick % taken.length, 1);
            pool.release(port);
            free.add(port);
          }
          assert.equal(pool.free, free.size);
        }
      },
    ),
  );
});

test('draws every port about equally often, from a full and from a nearly empty pool', () => {
  for (const kept of [10, 4]) {
    const pool = new PortPool(100, 109, seededRandom(kept));
    for (let port = 100; port < 110 - kept; port++) pool.takeThis(port);
    const counts = new Map<number, number>();
    for (let round = 0; round < 10_000; round++) {
      const port = pool.take() ?? 0;
      counts.set(port, (counts.get(port) ?? 0) + 1);
      pool.release(port);
    }
    const expected = 10_000 / kept;
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    assert.equal(counts.size, kept);
    // Nine degrees of freedom: more than 28 happens once in a thousand seeds, and the seed is fixed.
    assert.ok(chiSquare < 28, `chi-square ${chiSquare}`);
  }
});

test('numbers beyond the last whole multiple of the bound are drawn again', () => {
  const words = Buffer.alloc(256);
  words.writeUInt32BE(0xffffffff, 0);
  words.writeUInt32BE(5, 4);
  const uniform = new UniformSource(() => words);
  // 2^32 is one more than a multiple of 3: only the very last word is unfair.
  assert.equal(uniform.below(3), 2);
});
