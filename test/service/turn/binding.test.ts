import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import { METHOD_BINDING, type StunAttributes } from '../../../src/wire/stun/message.ts';
import { codeOf, endpoint, Harness, mustDecode, ofType, testConfig } from './harness.ts';

const TRANSACTION = new Uint8Array(12).fill(9);

function binding(attributes: StunAttributes = {}, fingerprint = false): Uint8Array {
  const header = { class: 'request', method: METHOD_BINDING, transactionId: TRANSACTION } as const;
  return encodeMessage({ ...header, attributes }, { fingerprint });
}

/** A message with an attribute of a type that no RFC defines. */
function withUnknown(packet: Uint8Array, type: number): Uint8Array {
  const longer = new Uint8Array(packet.length + 4);
  longer.set(packet);
  const view = new DataView(longer.buffer);
  view.setUint16(packet.length, type);
  view.setUint16(2, packet.length - 20 + 4);
  return longer;
}

describe('Binding (RFC 8489 §12)', () => {
  for (const [name, from] of [
    ['IPv4', '203.0.113.9:4000'],
    ['IPv6', '[2001:db8:9::1]:4000'],
  ] as const) {
    test(`tells an ${name} client where it comes from`, () => {
      const client = new Harness().udpClient(from);
      const answer = client.responseIn(client.raw(binding()));
      assert.equal(answer?.class, 'success');
      assert.deepEqual(answer?.attributes, { xorMappedAddress: endpoint(from) });
      assert.deepEqual(answer?.transactionId, TRANSACTION);
    });
  }

  test('answers over a stream', () => {
    const client = new Harness().streamClient('203.0.113.9:4000');
    const orders = client.raw(binding());
    assert.deepEqual(client.responseIn(orders)?.attributes.xorMappedAddress, endpoint('203.0.113.9:4000'));
    assert.equal(ofType(orders, 'write')[0]?.droppable, false);
  });

  test('puts a FINGERPRINT in the answer when the request has one, and only then', () => {
    const client = new Harness().udpClient('203.0.113.9:4000');
    assert.equal(client.responseIn(client.raw(binding({}, true)))?.hasFingerprint, true);
    assert.equal(client.responseIn(client.raw(binding({}, false)))?.hasFingerprint, false);
  });

  test('names its software when the configuration does', () => {
    const client = new Harness(testConfig({ software: 'Culvert' })).udpClient('203.0.113.9:4000');
    assert.equal(client.responseIn(client.raw(binding()))?.attributes.software, 'Culvert');
  });

  test('answers 420 with the types it does not know', () => {
    const harness = new Harness();
    const client = harness.udpClient('203.0.113.9:4000');
    const answer = client.responseIn(client.raw(withUnknown(binding(), 0x7777)));
    assert.equal(codeOf(answer), 420);
    assert.deepEqual(answer?.attributes.unknownAttributes, [0x7777]);
    assert.equal(harness.drops('unknown-attribute'), 1);
  });

  test('ignores unknown types that need not be understood', () => {
    const client = new Harness().udpClient('203.0.113.9:4000');
    assert.equal(codeOf(client.responseIn(client.raw(withUnknown(binding(), 0xf777)))), 'success');
  });

  test('answers 400 when only the attributes are broken', () => {
    const harness = new Harness();
    const client = harness.udpClient('203.0.113.9:4000');
    const broken = withUnknown(binding(), 0x0006);
    new DataView(broken.buffer).setUint16(broken.length - 2, 400);
    assert.equal(codeOf(client.responseIn(client.raw(broken))), 400);
    assert.equal(harness.drops('truncated-attribute'), 1);
  });

  test('counts responses by method, class and code', () => {
    const harness = new Harness();
    const client = harness.udpClient('203.0.113.9:4000');
    client.raw(binding());
    client.raw(binding());
    client.raw(withUnknown(binding(), 0x7777));
    client.raw(withUnknown(binding(), 0x7778));
    assert.deepEqual(harness.service.stats().responses, [
      { method: 'binding', class: 'success', code: 0, count: 2 },
      { method: 'binding', class: 'error', code: 420, count: 2 },
    ]);
  });

  test('a Binding indication is taken without an answer', () => {
    const client = new Harness().udpClient('203.0.113.9:4000');
    const packet = encodeMessage({
      class: 'indication',
      method: METHOD_BINDING,
      transactionId: TRANSACTION,
      attributes: {},
    });
    assert.deepEqual(client.raw(packet), []);
  });
});

describe('reflection', () => {
  for (const from of [
    '203.0.113.9:0',
    '203.0.113.9:19',
    '203.0.113.9:53',
    '255.255.255.255:4000',
    '224.0.0.1:4000',
    '239.1.2.3:4000',
    '240.0.0.1:4000',
    '0.0.0.0:4000',
    '[::]:4000',
    '[ff02::1]:4000',
  ]) {
    test(`no answer to ${from}`, () => {
      const harness = new Harness();
      const client = harness.udpClient(from);
      assert.deepEqual(client.raw(binding()), []);
      assert.equal(harness.drops('reflector-source'), 1);
    });
  }

  test('answers to one address stay within its budget, and others are not hurt', () => {
    const unauthenticatedBudget = { perAddress: 5, perPrefix: 50, burstSeconds: 1, maxSources: 100 };
    const harness = new Harness(testConfig({ unauthenticatedBudget }));
    const flooded = harness.udpClient('203.0.113.9:4000');
    const answers = Array.from({ length: 20 }, () => flooded.raw(binding())).filter((orders) => orders.length > 0);
    assert.equal(answers.length, 5);
    assert.equal(harness.drops('over-budget'), 15);
    const other = harness.udpClient('192.0.2.77:4000');
    assert.equal(codeOf(other.responseIn(other.raw(binding()))), 'success');
    harness.pass(1000);
    assert.equal(codeOf(flooded.responseIn(flooded.raw(binding()))), 'success');
  });

  test('datagrams forged in the name of a client do not use up what it has over a stream', () => {
    const unauthenticatedBudget = { perAddress: 5, perPrefix: 50, burstSeconds: 1, maxSources: 100 };
    const harness = new Harness(testConfig({ unauthenticatedBudget }));
    const forged = harness.udpClient('203.0.113.9:4000');
    for (let n = 0; n < 20; n++) forged.raw(binding());
    const client = harness.streamClient('203.0.113.9:4001');
    const answers = Array.from({ length: 20 }, () => client.raw(binding())).filter((orders) => orders.length > 0);
    assert.equal(answers.length, 5);
  });

  test('the budget covers 401, 400 and 420 too', () => {
    const unauthenticatedBudget = { perAddress: 1, perPrefix: 100, burstSeconds: 1, maxSources: 100 };
    const harness = new Harness(testConfig({ unauthenticatedBudget }));
    const client = harness.udpClient('203.0.113.9:4000');
    assert.equal(codeOf(client.allocate({}, { bare: true })), 401);
    assert.equal(client.allocate({}, { bare: true }), undefined);
    assert.equal(client.responseIn(client.raw(withUnknown(binding(), 0x7777))), undefined);
    assert.equal(harness.drops('over-budget'), 2);
  });

  test('who proves an address gets the challenge back: one machine may open thousands of allocations', () => {
    const unauthenticatedBudget = { perAddress: 3, perPrefix: 3, burstSeconds: 1, maxSources: 100 };
    const harness = new Harness(testConfig({ unauthenticatedBudget }));
    for (let round = 0; round < 50; round++) {
      const client = harness.udpClient(`203.0.113.9:${4000 + round}`);
      client.mustAllocate();
      client.refresh({ lifetime: 0 });
    }
    assert.equal(harness.drops('over-budget'), 0);
    const guesser = harness.udpClient('203.0.113.9:9000', 'alice', 'wrong');
    const answered = Array.from({ length: 20 }, () => guesser.allocate({}, { nonce: 'x' })).filter(Boolean);
    assert.equal(answered.length, 3);
  });

  test('an answer to a Binding without SOFTWARE is no bigger than header and one address', () => {
    const client = new Harness().udpClient('203.0.113.9:4000');
    assert.equal(client.packetsIn(client.raw(binding()))[0]?.length, 20 + 12);
  });
});

describe('what is no request', () => {
  test('responses are never answered', () => {
    const harness = new Harness();
    const client = harness.udpClient('203.0.113.9:4000');
    for (const messageClass of ['success', 'error'] as const) {
      const header = { class: messageClass, method: METHOD_BINDING, transactionId: TRANSACTION };
      assert.deepEqual(client.raw(encodeMessage({ ...header, attributes: {} })), []);
    }
    assert.equal(harness.drops('response'), 2);
  });

  test('a request of an unknown method gets 400', () => {
    const harness = new Harness();
    const client = harness.udpClient('203.0.113.9:4000');
    const packet = encodeMessage({ class: 'request', method: 0x00c, transactionId: TRANSACTION, attributes: {} });
    const orders = client.raw(packet);
    assert.equal(codeOf(mustDecode(client.packetsIn(orders)[0] ?? new Uint8Array())), 400);
    assert.equal(harness.drops('unknown-method'), 1);
    assert.deepEqual(harness.service.stats().responses, [{ method: 'other', class: 'error', code: 400, count: 1 }]);
  });

  const noCookie = binding();
  noCookie.fill(0, 4, 8);
  for (const [name, packet, reason] of [
    ['an empty datagram', new Uint8Array(0), 'not-turn'],
    ['one byte', Uint8Array.of(0), 'too-short'],
    ['a DTLS record', Uint8Array.of(22, 254, 253, 0), 'not-turn'],
    ['an RTP packet', new Uint8Array(40).fill(0x80), 'not-turn'],
    ['RFC 3489 without magic cookie', noCookie, 'no-magic-cookie'],
    ['a length beyond the message', binding().with(3, 8), 'bad-length'],
    ['ChannelData of nobody', Uint8Array.of(0x40, 0, 0, 0), 'no-allocation'],
    ['ChannelData with a length beyond the datagram', Uint8Array.of(0x40, 0, 0, 9, 1), 'malformed-channel-data'],
  ] as const) {
    test(`${name} is dropped as ${reason}`, () => {
      const harness = new Harness();
      assert.deepEqual(harness.udpClient('203.0.113.9:4000').raw(packet), []);
      assert.equal(harness.drops(reason), 1);
    });
  }

  test('a datagram at a socket that is no listener and no open port is dropped', () => {
    const harness = new Harness();
    assert.deepEqual(harness.datagram(harness.ids.socket(), endpoint('203.0.113.9:4000'), binding()), []);
    assert.equal(harness.drops('unknown-socket'), 1);
  });
});
