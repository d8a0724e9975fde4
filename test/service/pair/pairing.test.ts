import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointKey } from '../../../src/net/endpoint.ts';
import { LEGACY_FORMS } from '../../../src/wire/pair/legacy.ts';
import {
  A,
  A6,
  B,
  bytes,
  C,
  endpoint,
  GUID,
  GUID_2,
  Harness,
  handshake,
  KEY,
  OTHER_KEY,
  receivers,
  testConfig,
} from './harness.ts';

describe('v0.8.2', () => {
  test('the first handshake has no answer, the second goes to the first as it is', () => {
    const harness = new Harness();
    assert.deepEqual(harness.send(A, handshake()), []);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 1 });
    const second = handshake(GUID, KEY, bytes('with something behind'));
    assert.deepEqual(harness.send(B, second), [{ to: endpointKey(A), packet: second, by: 'service' }]);
    assert.deepEqual(harness.counts, { open: 1, halfOpen: 0 });
  });

  test('from then on any datagram goes to the other by a flow, as it is', () => {
    const harness = new Harness();
    harness.pair();
    for (const packet of [
      bytes('hello'),
      new Uint8Array(0),
      new Uint8Array(65_507).fill(1),
      Uint8Array.of(0x04, 0xb2, 0x80),
    ]) {
      assert.deepEqual(harness.send(A, packet), [{ to: endpointKey(B), packet, by: 'flow' }]);
      assert.deepEqual(harness.send(B, packet), [{ to: endpointKey(A), packet, by: 'flow' }]);
    }
    assert.equal(harness.flows.size, 2);
  });

  test('a third address is ignored, whatever it sends', () => {
    const harness = new Harness();
    harness.pair();
    assert.deepEqual(harness.send(C, handshake()), []);
    assert.deepEqual(harness.send(C, bytes('hello')), []);
    assert.equal(harness.drops('third-party'), 1);
    assert.equal(harness.drops('not-a-handshake'), 1);
    assert.deepEqual(receivers(harness.send(A, bytes('x'))), [endpointKey(B)]);
    assert.deepEqual(receivers(harness.send(B, bytes('x'))), [endpointKey(A)]);
  });

  test('nothing is kept for later: what comes before the pair is complete is gone', () => {
    const harness = new Harness();
    harness.send(A, handshake());
    assert.deepEqual(harness.send(A, bytes('too early')), []);
    assert.equal(harness.drops('not-a-handshake'), 1);
    assert.equal(harness.send(B, handshake()).length, 1);
  });

  test('another port of the same host is another address', () => {
    const harness = new Harness();
    const neighbour = { ...A, port: 1001 };
    assert.deepEqual(receivers(harness.pair(A, neighbour)), [endpointKey(A)]);
  });

  test('repeats of a complete pair go to the other, without a look at their MAC', () => {
    const harness = new Harness();
    harness.pair();
    const forged = handshake(GUID, OTHER_KEY);
    assert.deepEqual(harness.send(A, handshake()), [{ to: endpointKey(B), packet: handshake(), by: 'service' }]);
    assert.deepEqual(harness.send(A, forged), [{ to: endpointKey(B), packet: forged, by: 'service' }]);
    assert.equal(harness.drops('wrong-mac'), 0);
  });

  test('an IPv6 and an IPv4 client meet, up to what the smaller family carries', () => {
    const harness = new Harness();
    assert.deepEqual(receivers(harness.pair(A6, B)), [endpointKey(A6)]);
    assert.deepEqual(receivers(harness.send(B, new Uint8Array(65_507))), [endpointKey(A6)]);
    assert.deepEqual(harness.send(A6, new Uint8Array(65_508)), []);
    harness.pass(10_000);
    assert.equal(harness.flows.size, 0);
    assert.deepEqual(harness.send(A6, new Uint8Array(65_508)), []);
    assert.equal(harness.drops('too-big'), 1, 'by the same rule without a flow');
  });
});

describe('refused, under a name', () => {
  const zero = handshake().fill(0, 8, 24);
  const cases: [string, Uint8Array, Parameters<Harness['drops']>[0]][] = [
    ['a wrong key', handshake(GUID, OTHER_KEY), 'wrong-mac'],
    ['one bit off', handshake().fill(1, 30, 31), 'wrong-mac'],
    ['changed behind the MAC', Uint8Array.of(...handshake(), 1), 'wrong-mac'],
    ['GUID zero', zero, 'zero-guid'],
    ['too short', handshake().subarray(0, 55), 'too-short'],
    ['no magic', bytes('hello'), 'not-a-handshake'],
    ['nothing', new Uint8Array(0), 'not-a-handshake'],
  ];
  for (const [name, packet, reason] of cases) {
    test(name, () => {
      const harness = new Harness();
      assert.deepEqual(harness.send(A, packet), []);
      assert.equal(harness.drops(reason), 1);
      assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0 });
      assert.equal(harness.send(B, handshake()).length, 0, 'B is the first');
    });
  }

  test('sources that only a forger writes', () => {
    const harness = new Harness();
    for (const from of ['198.18.0.1:0', '198.18.0.1:53', '224.0.0.1:1000', '[ff02::1]:1000']) {
      assert.deepEqual(harness.send(endpoint(from), handshake()), []);
    }
    assert.equal(harness.drops('reflector-source'), 4);
  });

  test('a socket that is none of ours', () => {
    const harness = new Harness();
    harness.run(() => harness.service.handleDatagram(harness.flows.size as never, A, handshake(), harness.now));
    assert.equal(harness.drops('unknown-socket'), 1);
  });

  test('any of several keys is good', () => {
    const harness = new Harness(testConfig({ keys: [OTHER_KEY, KEY] }));
    harness.send(A, handshake(GUID, KEY));
    assert.equal(harness.send(B, handshake(GUID, OTHER_KEY)).length, 1);
  });
});

describe('a client that begins another pair', () => {
  test('leaves its half at once', () => {
    const harness = new Harness();
    harness.send(A, handshake(GUID));
    harness.send(A, handshake(GUID_2));
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 1 });
    assert.deepEqual(harness.send(B, handshake(GUID)), [], 'nobody is there any more');
    assert.deepEqual(receivers(harness.send(C, handshake(GUID_2))), [endpointKey(A)]);
  });

  test('its flow leaves the handshake to the service: the old partner never sees it', () => {
    const harness = new Harness();
    harness.pair();
    assert.deepEqual(harness.send(A, handshake(GUID_2)), []);
    assert.equal(harness.drops('source-busy'), 1);
    assert.deepEqual(receivers(harness.send(A, bytes('data'))), [endpointKey(B)], 'the living pair goes on');
  });

  test('what only looks like another handshake is data', () => {
    const harness = new Harness(
      testConfig({ handshakeBudget: { perAddress: 1, perPrefix: 0, burstSeconds: 10, maxSources: 100 } }),
    );
    harness.pair();
    const zero = handshake(GUID_2).fill(0, 8, 24);
    for (const packet of [handshake(GUID_2, OTHER_KEY), handshake(GUID_2).fill(1, 40, 41), zero]) {
      for (let turn = 0; turn < 20; turn++) {
        assert.deepEqual(harness.send(A, packet), [{ to: endpointKey(B), packet, by: 'service' }]);
      }
    }
    assert.deepEqual(
      [harness.drops('wrong-mac'), harness.drops('zero-guid'), harness.drops('over-budget')],
      [0, 0, 0],
      'nothing of it is lost, however much there is',
    );
    harness.send(C, handshake(GUID_2));
    assert.deepEqual(harness.counts, { open: 1, halfOpen: 1 }, 'and it takes no seat');
  });

  test('is never told to the partner, whoever has used up its share', () => {
    const harness = new Harness(
      testConfig({ handshakeBudget: { perAddress: 1, perPrefix: 0, burstSeconds: 10, maxSources: 100 } }),
    );
    harness.pair();
    for (let turn = 0; turn < 20; turn++) harness.send(A, handshake(GUID_2, OTHER_KEY));
    assert.deepEqual(harness.send(A, handshake(GUID_2)), []);
    assert.equal(harness.drops('source-busy'), 1);
  });

  test('gets it once it sends nothing else; the old pair is closed', () => {
    const harness = new Harness();
    harness.pair();
    for (let second = 0; second < 7; second++) {
      harness.send(A, handshake(GUID_2));
      harness.send(B, bytes('data for who is leaving'));
      harness.pass(1000);
    }
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 1 });
    assert.equal(harness.flows.size, 0);
    assert.deepEqual(receivers(harness.send(C, handshake(GUID_2))), [endpointKey(A)]);
    assert.deepEqual(harness.send(B, bytes('nobody')), []);
  });

  test('what begins like a handshake and is too short for one is data', () => {
    const harness = new Harness();
    harness.pair();
    const short = handshake(GUID_2).subarray(0, 55);
    assert.deepEqual(receivers(harness.send(A, short)), [endpointKey(B)]);
  });
});

describe('legacy', () => {
  const magic = [0x04, 0xb2, 0x80, 0x00];
  const guid = Buffer.from(GUID, 'hex');
  const v05 = Uint8Array.of(...magic, 0, 0, 0, 0, ...guid);
  const v036 = Uint8Array.of(0, 1, 0, 16, ...guid);

  test('is off by default', () => {
    const harness = new Harness();
    harness.send(A, v05);
    harness.send(A, v036);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 0 });
  });

  test('an unauthenticated form does not get at the pairs of those who know the key', () => {
    const harness = new Harness(testConfig({ legacy: new Set(['v0.5', 'v0.3.6']) }));
    harness.send(A, handshake());
    assert.deepEqual(harness.send(B, v05), []);
    assert.deepEqual(harness.send(C, v036), []);
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 3 });
    assert.deepEqual(receivers(harness.send({ ...B, port: 1 }, v05)), [endpointKey(B)]);
    assert.deepEqual(receivers(harness.send({ ...C, port: 1 }, v036)), [endpointKey(C)]);
  });

  test('GUID zero is refused in every form, and is no older handshake with another GUID', () => {
    const harness = new Harness(testConfig({ legacy: new Set(LEGACY_FORMS) }));
    const zero = handshake(GUID, KEY, bytes('with something behind')).fill(0, 8, 24);
    const zero05 = v05.slice().fill(0, 8);
    const zero036 = v036.slice().fill(0, 4);
    for (const packet of [zero, zero05, zero036]) {
      for (const from of [A, B]) assert.deepEqual(harness.send(from, packet), []);
    }
    assert.deepEqual(harness.counts, { open: 0, halfOpen: 0 });
    assert.equal(harness.drops('zero-guid'), 2);
  });

  test('its flows leave its own kind of handshake to the service', () => {
    const harness = new Harness(testConfig({ legacy: new Set(['v0.3.6']) }));
    harness.send(A, v036);
    harness.send(B, v036);
    const other = v036.slice().fill(0xee, 4, 20);
    assert.deepEqual(harness.send(A, other), []);
    assert.equal(harness.drops('source-busy'), 1);
    assert.deepEqual(harness.send(A, v036), [{ to: endpointKey(B), packet: v036, by: 'service' }]);
    assert.equal(harness.send(A, handshake())[0]?.by, 'flow', 'other magic is data here');
  });
});
