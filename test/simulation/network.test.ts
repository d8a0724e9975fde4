import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { Host, Network, type NetworkOptions } from './network.ts';

const A: Endpoint = { family: 4, address: '1.0.0.1', port: 1 };
const B: Endpoint = { family: 4, address: '1.0.0.2', port: 2 };
const C: Endpoint = { family: 4, address: '1.0.0.3', port: 3 };
const CALM: NetworkOptions = { seed: 1, loss: 0, duplication: 0, minDelay: 10, maxDelay: 10 };

describe('the simulated network', () => {
  test('delivers after the delay, in order, to who is there', () => {
    assert.deepEqual(arrivals(CALM, 3), ['10 0', '10 1', '10 2']);
    const network = new Network(CALM, 0);
    network.send(A, B, Uint8Array.of(1));
    network.run(100);
    assert.equal(network.now, 100);
  });

  test('loses, doubles and reorders about as much as it is told', () => {
    const seen = arrivals({ seed: 3, loss: 200, duplication: 100, minDelay: 1, maxDelay: 50 }, 250);
    const numbers = seen.map((line) => Number(line.split(' ')[1]));
    const distinct = new Set(numbers).size;
    assert.ok(distinct > 170 && distinct < 230, `${distinct} of 250 arrived`);
    assert.ok(numbers.length - distinct > 5, 'nothing was doubled');
    assert.notDeepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
  });

  test('the same seed, the same weather; also when others send more', () => {
    const rough = { seed: 5, loss: 300, duplication: 100, minDelay: 1, maxDelay: 90 };
    assert.deepEqual(arrivals(rough, 100), arrivals(rough, 100));
    assert.deepEqual(
      arrivals(rough, 100),
      arrivals(rough, 100, (network) => network.send(C, B, Uint8Array.of(0))),
    );
    assert.notDeepEqual(arrivals(rough, 100), arrivals({ ...rough, seed: 6 }, 100));
  });

  test('a host behind a rebound NAT is reached at its new endpoint only', () => {
    const network = new Network(CALM, 0);
    const got: number[] = [];
    const host = new Host(network, A, (_, packet) => got.push(packet[0] ?? -1));
    host.rebind(C);
    network.send(B, A, Uint8Array.of(1));
    network.send(B, C, Uint8Array.of(2));
    network.run(50);
    assert.deepEqual(got, [2]);
  });

  test('timers run in the order of their times, then of their setting', () => {
    const network = new Network(CALM, 0);
    const order: string[] = [];
    for (const [time, name] of [
      [5, 'c'],
      [3, 'a'],
      [3, 'b'],
      [9, 'd'],
    ] as const)
      network.at(time, () => order.push(name));
    network.run(8);
    assert.deepEqual(order, ['a', 'b', 'c']);
  });
});

function arrivals(options: NetworkOptions, count: number, meanwhile?: (network: Network) => void): string[] {
  const network = new Network(options, 0);
  const seen: string[] = [];
  network.attach(B, (from, packet) => {
    if (from.port === A.port) seen.push(`${network.now} ${packet[0]}`);
  });
  for (let index = 0; index < count; index++) {
    network.send(A, B, Uint8Array.of(index));
    meanwhile?.(network);
  }
  network.run(1000);
  return seen;
}
