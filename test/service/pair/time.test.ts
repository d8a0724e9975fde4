import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import {
  A,
  A6,
  B,
  bytes,
  C,
  endpoint,
  GUID_2,
  Harness,
  handshake,
  OTHER_KEY,
  receivers,
  START,
  testConfig,
} from './harness.ts';

describe('idle', () => {
  test('a half is closed 30 s after its last handshake', () => {
    const harness = new Harness();
    harness.send(A, handshake());
    harness.pass(29_999);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 1 });
    harness.pass(1);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 0 });
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0 });
  });

  test('repeats keep a half', () => {
    const harness = new Harness();
    for (let repeat = 0; repeat < 10; repeat++) {
      harness.send(A, handshake());
      harness.pass(20_000);
    }
    assert.deepEqual(receivers(harness.send(B, handshake())), [endpointKey(A)]);
  });

  test('a pair is closed 30 s after its last packet, up to a sweep of the engine later', () => {
    const harness = new Harness();
    harness.pair();
    harness.pass(17_300);
    harness.send(A, bytes('last'));
    harness.pass(30_000 - 1);
    assert.deepEqual(harness.counts, { open: 1, halfOpen: 0 });
    harness.pass(1_001);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 0 });
    assert.equal(harness.flows.size, 0);
    assert.deepEqual(harness.send(A, bytes('late')), []);
    assert.deepEqual(harness.send(B, bytes('late')), []);
  });

  test('one direction is enough to keep it', () => {
    const harness = new Harness();
    harness.pair();
    for (let second = 0; second < 120; second++) {
      assert.deepEqual(receivers(harness.send(A, bytes('stream'))), [endpointKey(B)]);
      harness.pass(1000);
    }
    assert.deepEqual(receivers(harness.send(B, bytes('after two minutes'))), [endpointKey(A)]);
  });

  test('a client that sends now and then loses its flow and no packet', () => {
    const harness = new Harness();
    harness.pair();
    const ways = Array.from({ length: 5 }, () => {
      harness.pass(12_000);
      return harness.send(A, bytes('rare')).map(({ to, by }) => `${to} ${by}`);
    });
    assert.deepEqual(ways, Array(5).fill([`${endpointKey(B)} service`]));
    assert.deepEqual(
      harness.send(A, bytes('and again')).map(({ by }) => by),
      ['flow'],
    );
  });

  test('closing waits for the sweep', () => {
    const harness = new Harness(testConfig({ sweep: 1800 }), Math.ceil(START / 1800) * 1800 + 1);
    harness.send(A, handshake());
    harness.pass(30_000);
    assert.equal(harness.counts.halfOpen, 1);
    harness.pass(1_800);
    assert.equal(harness.counts.halfOpen, 0);
  });

  test('where idle is shorter than what makes a seat silent', () => {
    const harness = new Harness(testConfig({ idle: 2_000 }));
    harness.pair();
    harness.pass(1_999);
    assert.equal(harness.counts.open, 1);
    harness.pass(1_001);
    assert.equal(harness.counts.open, 0);
  });
});

describe('rebind', () => {
  const moved = { ...A, port: 1999 };

  test('a silent seat goes to another port of its address; the partner follows at once', () => {
    const harness = new Harness();
    harness.pair();
    for (let second = 0; second < 5; second++) {
      harness.send(B, bytes('to the old port'));
      assert.deepEqual(harness.send(moved, handshake()), [], 'not yet silent');
      harness.pass(1_000);
    }
    assert.deepEqual(receivers(harness.send(moved, handshake())), [endpointKey(B)]);
    assert.deepEqual(receivers(harness.send(B, bytes('x'))), [endpointKey(moved)]);
    assert.deepEqual(receivers(harness.send(moved, bytes('x'))), [endpointKey(B)]);
    assert.deepEqual(harness.send(A, bytes('the old one has no seat')), []);
    assert.equal(harness.flows.size, 2);
  });

  test('silence counts from the last packet, whenever the engine looks for idle flows', () => {
    const harness = new Harness();
    harness.pair();
    harness.pass(1_700);
    assert.equal(harness.send(A, bytes('last'))[0]?.by, 'flow');
    harness.pass(4_999);
    assert.deepEqual(harness.send(moved, handshake()), []);
    harness.pass(1);
    assert.equal(harness.flows.size, 1, 'its flow is there still, the other is not');
    assert.deepEqual(receivers(harness.send(moved, handshake())), [endpointKey(B)]);
    assert.deepEqual(receivers(harness.send(moved, bytes('x'))), [endpointKey(B)]);
    assert.deepEqual(harness.send(A, bytes('x')), []);
  });

  test('a living seat goes to nobody', () => {
    const harness = new Harness();
    harness.pair();
    for (let second = 0; second < 60; second++) {
      harness.send(A, bytes('alive'));
      harness.send(B, bytes('alive'));
      assert.deepEqual(harness.send(moved, handshake()), []);
      harness.pass(1_000);
    }
    assert.equal(harness.drops('third-party'), 60);
  });

  test('without a proof not from another address, unless the configuration says so', () => {
    for (const [unproven, expected] of [
      ['never', []],
      ['same-address', []],
      ['anyone', [endpointKey(B)]],
    ] as const) {
      const harness = new Harness(testConfig({ rebind: { after: 5_000, unproven } }));
      harness.pair();
      keepBusy(harness, 6);
      assert.deepEqual(receivers(harness.send(C, handshake())), expected, unproven);
    }
  });

  test('never means not from the same address either', () => {
    const harness = new Harness(testConfig({ rebind: { after: 5_000, unproven: 'never' } }));
    harness.pair();
    keepBusy(harness, 6);
    assert.deepEqual(harness.send(moved, handshake()), []);
  });

  test('where both are silent, the seat of the same address goes first', () => {
    const harness = new Harness(testConfig({ rebind: { after: 5_000, unproven: 'anyone' } }));
    harness.pair();
    harness.send(A, bytes('A is silent for less long'));
    harness.pass(7_000);
    assert.deepEqual(receivers(harness.send(moved, handshake())), [endpointKey(B)]);
    harness.pass(7_000);
    assert.deepEqual(receivers(harness.send(C, handshake())), [endpointKey(moved)], 'then the longest silent: B');
  });

  test('a client that sits elsewhere leaves its other seat', () => {
    const harness = new Harness();
    harness.pair();
    harness.send(moved, handshake(GUID_2));
    keepBusy(harness, 6);
    assert.deepEqual(receivers(harness.send(moved, handshake())), [endpointKey(B)]);
    assert.deepEqual(harness.counts, { open: 1, halfOpen: 0 });
  });

  function keepBusy(harness: Harness, seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      harness.send(B, bytes('busy'));
      harness.pass(1_000);
    }
  }
});

describe('drain', () => {
  test('no new pairs; those that are there live until they are idle', () => {
    const harness = new Harness();
    harness.pair();
    harness.send(C, handshake(GUID_2));
    harness.run(() => harness.service.drain(harness.now));
    assert.deepEqual(harness.counts, { open: 1, halfOpen: 0 }, 'a half can become nothing any more');
    assert.equal(harness.service.clientsLeft, 2);
    assert.deepEqual(harness.send(C, handshake(GUID_2)), []);
    assert.equal(harness.drops('draining'), 1);
    for (let second = 0; second < 60; second++) {
      assert.deepEqual(receivers(harness.send(A, bytes('x'))), [endpointKey(B)]);
      harness.pass(1_000);
    }
    harness.pass(32_000);
    assert.equal(harness.service.clientsLeft, 0);
  });

  test('undone, pairs are made as before', () => {
    const harness = new Harness();
    harness.run(() => harness.service.drain(harness.now));
    harness.pair();
    assert.equal(harness.service.clientsLeft, 0);
    harness.run(() => harness.service.resume(harness.now));
    harness.pair();
    assert.equal(harness.service.clientsLeft, 2);
  });

  test('a seat may still be rebound', () => {
    const harness = new Harness();
    harness.pair();
    harness.run(() => harness.service.drain(harness.now));
    harness.pass(6_000);
    assert.deepEqual(receivers(harness.send({ ...A, port: 9 }, handshake())), [endpointKey(B)]);
  });
});

describe('caps', () => {
  test('seats of one source, and of one /64', () => {
    const harness = new Harness(testConfig({ quota: { perSource: 2, total: 0, bytesPerSecond: 0 } }));
    for (const from of [A6, endpoint('[2001:db8:a::2]:1'), endpoint('[2001:db8:a:0:ffff::3]:1')]) {
      harness.send(from, handshake(guid(from.address)));
    }
    assert.equal(harness.drops('source-quota'), 1);
    harness.send(endpoint('[2001:db8:a:1::1]:1'), handshake(guid('other /64')));
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 3 });
    for (const port of [1, 2, 3]) harness.send({ ...A, port }, handshake(guid(`v4 ${port}`)));
    assert.equal(harness.drops('source-quota'), 2);
    assert.deepEqual(harness.send({ ...A, port: 4 }, handshake(guid('other /64'))), [], 'nor as a second');
    assert.equal(harness.drops('source-quota'), 3);
    harness.pass(31_000);
    harness.send({ ...A, port: 5 }, handshake());
    assert.equal(harness.counts.halfOpen, 1, 'what was closed counts no more');
  });

  test('in all', () => {
    const harness = new Harness(testConfig({ quota: { perSource: 0, total: 2, bytesPerSecond: 0 } }));
    harness.pair();
    harness.send(C, handshake(GUID_2));
    harness.send(A6, handshake(guid('third')));
    assert.equal(harness.drops('total-quota'), 1);
    assert.equal(harness.send(A6, handshake(GUID_2)).length, 1, 'a second seat needs no room');
  });

  test('bytes of a pair, each way: what is above is dropped, and a second later it goes on', () => {
    const harness = new Harness(testConfig({ quota: { perSource: 0, total: 0, bytesPerSecond: 100_000 } }));
    harness.pair();
    const load = new Uint8Array(10_000);
    const burst = (from: Endpoint) => {
      let passed = 0;
      for (let turn = 0; turn < 50; turn++) passed += harness.send(from, load).length;
      return passed;
    };
    assert.equal(burst(A), 10, 'a second of it at once');
    assert.equal(burst(B), 10, 'the other way has its own');
    harness.pass(1000);
    assert.equal(burst(A), 10);
    harness.pass(500);
    assert.equal(burst(A), 5);
    const others = harness.send(C, handshake(GUID_2)).length + harness.send(A6, handshake(GUID_2)).length;
    assert.equal(others, 1, 'and other pairs are not slowed down');
  });

  test('a slow path of single packets is held to the same rate', () => {
    const harness = new Harness(testConfig({ quota: { perSource: 0, total: 0, bytesPerSecond: 1 } }));
    harness.pair();
    const again = handshake();
    // Handshakes of the own pair are data that no flow takes.
    const passed = Array.from({ length: 2000 }, () => harness.send(A, again).length).filter(Boolean).length;
    assert.equal(passed, Math.floor(0x10000 / again.length));
    assert.equal(harness.drops('rate-limited'), 2000 - passed);
  });

  test('a changed quota of bytes holds for living pairs', () => {
    const harness = new Harness();
    harness.pair();
    const load = new Uint8Array(60_000);
    const passes = () => harness.send(A, load).length + harness.send(A, load).length;
    assert.equal(passes(), 2);
    const quota = (bytesPerSecond: number) => testConfig({ quota: { perSource: 0, total: 0, bytesPerSecond } });
    harness.run(() => harness.service.updateConfig(quota(1000), harness.now));
    assert.equal(passes(), 1);
    harness.run(() => harness.service.updateConfig(quota(0), harness.now));
    assert.equal(passes(), 2);
  });

  test('MACs of who does not know the key are on a budget, those of who does are free', () => {
    const harness = new Harness(
      testConfig({ handshakeBudget: { perAddress: 1, perPrefix: 0, burstSeconds: 10, maxSources: 100 } }),
    );
    for (let turn = 0; turn < 50; turn++) harness.send(A, handshake());
    assert.equal(harness.drops('over-budget'), 0);
    for (let turn = 0; turn < 50; turn++) harness.send(C, handshake(GUID_2, OTHER_KEY));
    assert.deepEqual([harness.drops('wrong-mac'), harness.drops('over-budget')], [10, 40]);
    assert.equal(harness.send(B, handshake()).length, 1, 'others are not hurt');
    const large = new Harness(
      testConfig({ handshakeBudget: { perAddress: 1, perPrefix: 0, burstSeconds: 10, maxSources: 100 } }),
    );
    large.send(C, handshake(GUID_2, OTHER_KEY, new Uint8Array(10_000 - 56)));
    large.send(C, handshake(GUID_2, OTHER_KEY));
    assert.equal(large.drops('over-budget'), 1, 'a large datagram costs more');
    for (let turn = 0; turn < 5_000; turn++) large.send(A, bytes('data without a pair'));
    large.send(A, handshake());
    assert.equal(large.counts.halfOpen, 1, 'data without a pair costs its sender nothing');
  });

  test('a flood of handshakes leaves nothing behind', () => {
    const harness = new Harness(testConfig({ quota: { perSource: 0, total: 100, bytesPerSecond: 0 } }));
    for (let turn = 0; turn < 5_000; turn++) {
      const from = endpoint(`198.18.${turn >> 8}.${turn & 255}:7`);
      harness.send(from, handshake(guid(`flood ${turn}`)));
    }
    assert.equal(harness.counts.halfOpen, 100);
    harness.pass(31_000);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0 });
  });

  function guid(text: string): string {
    return Buffer.from(text.padEnd(16, '.')).subarray(0, 16).toString('hex');
  }
});
