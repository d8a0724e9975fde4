import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { METHOD_ALLOCATE, type StunAttributes } from '../../../src/wire/stun/message.ts';
import { bound, codeOf, endpoint, Harness, inUse, ofType, PEER, silent, testConfig, UDP } from './harness.ts';

const CLIENT = '203.0.113.9:4000';
const TRANSACTION = new Uint8Array(12).fill(5);
const IPV4 = 0x01;
const IPV6 = 0x02;

describe('Allocate (RFC 8656 §7.2)', () => {
  test('answers with relayed address, lifetime and mapped address, once the port is bound', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.nonce = client.askNonce();
    harness.answer = silent;
    const orders = client.raw(client.build(METHOD_ALLOCATE, { requestedTransport: UDP }));
    assert.deepEqual(
      orders.map(({ type }) => type),
      ['openPort'],
    );
    const [order] = ofType(orders, 'openPort');
    assert.ok(order);
    const answer = client.responseIn(harness.opened(order.socket, { ok: true, local: order.local }));
    assert.equal(answer?.class, 'success');
    assert.deepEqual(answer?.attributes.xorRelayedAddresses, [order.local]);
    assert.equal(answer?.attributes.lifetime, 600);
    assert.deepEqual(answer?.attributes.xorMappedAddress, endpoint(CLIENT));
    assert.ok(answer?.messageIntegrity);
    assert.ok(order.local.port >= 50_000 && order.local.port <= 50_099);
  });

  test('step 1: without credentials 401 with realm, nonce and algorithms; no state', () => {
    const harness = new Harness();
    const answer = harness.udpClient(CLIENT).allocate({}, { bare: true });
    assert.equal(codeOf(answer), 401);
    assert.equal(answer?.attributes.realm, 'culvert.test');
    assert.ok(answer?.attributes.nonce);
    assert.ok(answer?.attributes.passwordAlgorithms);
    assert.equal(harness.drops('no-integrity'), 1);
    assert.deepEqual(
      { ...harness.service.stats().held, freePorts: 0 },
      { entries: 0, deadlines: 0, openings: 0, freePorts: 0 },
    );
  });

  test('step 1: wrong password 401', () => {
    const harness = new Harness();
    assert.equal(codeOf(harness.udpClient(CLIENT, 'alice', 'guess').allocate()), 401);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('answers a request signed with SHA-256 in kind', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const answer = client.allocate({}, { sha256: true, fingerprint: true });
    assert.equal(codeOf(answer), 'success');
    assert.equal(answer?.messageIntegritySha256?.mac.length, 32);
    assert.equal(answer?.messageIntegrity, undefined);
    assert.equal(answer?.hasFingerprint, true);
  });

  test('step 2: 437 for a second allocation on the 5-tuple', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    assert.equal(codeOf(client.allocate()), 437);
    assert.equal(harness.drops('allocation-exists'), 1);
    assert.equal(harness.service.stats().allocations, 1);
  });

  test('step 2: 437 too while the first one waits for its port', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    harness.answer = silent;
    client.allocate();
    assert.equal(codeOf(client.allocate()), 437);
  });

  test('another listener, another address or a stream is another 5-tuple', () => {
    const harness = new Harness();
    for (const client of [
      harness.udpClient(CLIENT),
      harness.udpClient('203.0.113.9:4001'),
      harness.udpClient('[2001:db8:9::9]:4000'),
      harness.streamClient(CLIENT),
    ]) {
      client.mustAllocate();
    }
    assert.equal(harness.service.stats().allocations, 4);
    assert.equal(harness.service.stats().clients, 4);
  });

  const refusals: readonly [string, StunAttributes & { requestedTransport?: number }, number, string][] = [
    ['step 3: TCP as transport', { requestedTransport: 6 }, 442, 'transport-unsupported'],
    [
      'step 5: token with EVEN-PORT',
      { reservationToken: new Uint8Array(8), evenPort: { reserveNext: false } },
      400,
      'conflicting-attributes',
    ],
    [
      'step 5: token with family',
      { reservationToken: new Uint8Array(8), requestedAddressFamily: IPV4 },
      400,
      'conflicting-attributes',
    ],
    [
      'step 5: token with additional family',
      { reservationToken: new Uint8Array(8), additionalAddressFamily: IPV6 },
      400,
      'conflicting-attributes',
    ],
    ['step 5: unknown token', { reservationToken: new Uint8Array(8) }, 508, 'unknown-reservation'],
    [
      'step 6: both family attributes',
      { requestedAddressFamily: IPV4, additionalAddressFamily: IPV6 },
      400,
      'conflicting-attributes',
    ],
    ['step 7: a family that is none', { requestedAddressFamily: 0x03 }, 440, 'family-unsupported'],
    [
      'step 8: R bit with additional family',
      { evenPort: { reserveNext: true }, additionalAddressFamily: IPV6 },
      400,
      'conflicting-attributes',
    ],
    ['step 9: additional family IPv4', { additionalAddressFamily: IPV4 }, 400, 'bad-additional-family'],
  ];
  for (const [name, attributes, code, reason] of refusals) {
    test(`${name}: ${code}`, () => {
      const harness = new Harness();
      assert.equal(codeOf(harness.udpClient(CLIENT).allocate(attributes)), code);
      assert.equal(harness.drops(reason as 'conflicting-attributes'), 1);
      assert.equal(harness.service.stats().allocations, 0);
      assert.deepEqual(ofType(harness.orders, 'openPort'), []);
    });
  }

  test('step 3: 400 without REQUESTED-TRANSPORT', () => {
    assert.equal(codeOf(new Harness().udpClient(CLIENT).request(METHOD_ALLOCATE, {})), 400);
  });

  test('step 4: DONT-FRAGMENT is an unknown attribute where the engine cannot, and fine where it can', () => {
    const refused = new Harness().udpClient(CLIENT).allocate({ dontFragment: true });
    assert.equal(codeOf(refused), 420);
    assert.deepEqual(refused?.attributes.unknownAttributes, [0x001a]);
    const able = new Harness(testConfig({ canSetDontFragment: true }));
    assert.equal(codeOf(able.udpClient(CLIENT).allocate({ dontFragment: true })), 'success');
  });

  test('step 7: IPv6 on request; 440 where the family is not relayed, IPv4 by default', () => {
    const [relayed] = new Harness().udpClient(CLIENT).mustAllocate({ requestedAddressFamily: IPV6 });
    assert.equal(relayed.address, '2001:db8::1');
    const only4 = new Harness(testConfig({ relay: { ipv4: { advertised: '198.51.100.1', bind: '10.0.0.1' } } }));
    assert.equal(codeOf(only4.udpClient(CLIENT).allocate({ requestedAddressFamily: IPV6 })), 440);
    const only6 = new Harness(testConfig({ relay: { ipv6: { advertised: '2001:db8::1', bind: '2001:db8::1' } } }));
    assert.equal(codeOf(only6.udpClient(CLIENT).allocate()), 440);
  });

  test('step 10: 486 over the quota of the user, and for another user still success', () => {
    const harness = new Harness(testConfig({ quota: { perUser: 1, total: 0, bytesPerSecond: 0 } }));
    harness.udpClient(CLIENT).mustAllocate();
    assert.equal(codeOf(harness.udpClient('203.0.113.9:4001').allocate()), 486);
    assert.equal(codeOf(harness.udpClient('203.0.113.9:4001', 'bob', 'builder').allocate()), 'success');
    assert.equal(harness.drops('user-quota'), 1);
  });

  test('step 10: 486 over the total, and success again when one has gone', () => {
    const harness = new Harness(testConfig({ quota: { perUser: 0, total: 1, bytesPerSecond: 0 } }));
    const first = harness.udpClient(CLIENT);
    first.mustAllocate();
    const second = harness.udpClient('203.0.113.9:4001', 'bob', 'builder');
    assert.equal(codeOf(second.allocate()), 486);
    assert.equal(codeOf(first.refresh({ lifetime: 0 })), 'success');
    assert.equal(codeOf(second.allocate()), 'success');
  });

  test('clients are told the advertised address, and the other one is bound', () => {
    const harness = new Harness(testConfig({ relay: { ipv4: { advertised: '198.51.100.1', bind: '10.0.0.1' } } }));
    const [relayed] = harness.udpClient(CLIENT).mustAllocate();
    assert.equal(relayed.address, '198.51.100.1');
    assert.equal(ofType(harness.orders, 'openPort')[0]?.local.address, '10.0.0.1');
  });
});

describe('clients behind IPv6 tunnels (RFC 8656 §21.4)', () => {
  for (const [from, code] of [
    ['[2002:cb00:7109::1]:4000', 403],
    ['[2001::1]:4000', 403],
    ['[2001:0:4136:e378:8000:63bf:3fff:fdd2]:4000', 403],
    ['[2001:1::1]:4000', 'success'],
    ['[2003:1::1]:4000', 'success'],
  ] as const) {
    test(`${from}: ${code}`, () => {
      const harness = new Harness();
      assert.equal(codeOf(harness.udpClient(from).allocate()), code);
      assert.equal(codeOf(harness.streamClient(from).allocate()), code);
      assert.equal(harness.drops('tunnelled-client'), code === 403 ? 2 : 0);
    });
  }
});

describe('lifetimes (RFC 8656 §7.2)', () => {
  for (const [asked, granted] of [
    [undefined, 600],
    [0, 600],
    [1, 600],
    [600, 600],
    [1200, 1200],
    [3600, 3600],
    [3601, 3600],
    [0xffffffff, 3600],
  ] as const) {
    test(`LIFETIME ${asked ?? 'absent'} gives ${granted} s`, () => {
      const harness = new Harness();
      const answer = harness.udpClient(CLIENT).allocate(asked === undefined ? {} : { lifetime: asked });
      assert.equal(answer?.attributes.lifetime, granted);
      harness.pass(granted * 1000 - 1);
      assert.equal(harness.service.stats().allocations, 1);
      const ended = harness.pass(1);
      assert.equal(harness.service.stats().allocations, 0);
      assert.equal(ofType(ended, 'closePort').length, 1);
    });
  }
});

describe('retransmissions (RFC 8656 §7.2, last note)', () => {
  test('the same transaction gets the same answer and no second port', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const first = client.allocate({ evenPort: { reserveNext: true } }, { transactionId: TRANSACTION });
    harness.pass(2000);
    const again = client.allocate({ evenPort: { reserveNext: true } }, { transactionId: TRANSACTION });
    assert.deepEqual(again?.attributes, { ...first?.attributes, lifetime: 598 });
    assert.ok(again?.attributes.reservationToken);
    assert.equal(ofType(harness.orders, 'openPort').length, 2);
  });

  test('while the port is being bound it is not answered, then once', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    harness.answer = silent;
    client.allocate({}, { transactionId: TRANSACTION });
    assert.equal(client.allocate({}, { transactionId: TRANSACTION }), undefined);
    assert.equal(harness.drops('retransmission'), 1);
    const opens = ofType(harness.orders, 'openPort');
    assert.equal(opens.length, 1);
    const orders = opens.flatMap(({ socket, local }) => harness.opened(socket, { ok: true, local }));
    assert.equal(client.packetsIn(orders).length, 1);
    assert.deepEqual(client.responseIn(orders)?.transactionId, TRANSACTION);
  });

  test('by another user: 441', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.allocate({}, { transactionId: TRANSACTION });
    const other = client.as('bob', 'builder');
    assert.equal(codeOf(other.allocate({}, { transactionId: TRANSACTION })), 441);
    assert.equal(harness.drops('wrong-user'), 1);
    assert.equal(codeOf(other.allocate()), 437);
  });
});

describe('dual allocation (RFC 8656 §7.2 step 9)', () => {
  test('gives one address of each family', () => {
    const harness = new Harness();
    const answer = harness.udpClient(CLIENT).allocate({ additionalAddressFamily: IPV6 });
    assert.deepEqual(
      answer?.attributes.xorRelayedAddresses?.map(({ family }) => family),
      [4, 6],
    );
    assert.equal(answer?.attributes.addressErrorCode, undefined);
    assert.equal(harness.service.stats().allocations, 1);
  });

  for (const [missing, relay, byte] of [
    [6, { ipv4: { advertised: '198.51.100.1', bind: '198.51.100.1' } }, IPV6],
    [4, { ipv6: { advertised: '2001:db8::1', bind: '2001:db8::1' } }, IPV4],
  ] as const) {
    test(`says 440 for IPv${missing} where only the other is relayed`, () => {
      const answer = new Harness(testConfig({ relay })).udpClient(CLIENT).allocate({ additionalAddressFamily: IPV6 });
      assert.equal(answer?.attributes.xorRelayedAddresses?.length, 1);
      const { family, code } = answer?.attributes.addressErrorCode ?? {};
      assert.deepEqual({ family, code }, { family: byte, code: 440 });
    });
  }

  test('says 508 for the family whose port cannot be bound', () => {
    const harness = new Harness();
    harness.answer = (local, socket) =>
      local.family === 6 ? { ok: false, failure: 'no-address', detail: 'EADDRNOTAVAIL' } : bound(local, socket);
    const client = harness.udpClient(CLIENT);
    const answer = client.allocate({ additionalAddressFamily: IPV6 }, { transactionId: TRANSACTION });
    assert.deepEqual(
      answer?.attributes.xorRelayedAddresses?.map(({ family }) => family),
      [4],
    );
    const { family, code } = answer?.attributes.addressErrorCode ?? {};
    assert.deepEqual({ family, code }, { family: IPV6, code: 508 });
    assert.equal(harness.service.stats().held.freePorts, 199);
    const again = client.allocate({ additionalAddressFamily: IPV6 }, { transactionId: TRANSACTION });
    assert.deepEqual(again?.attributes, answer?.attributes);
  });

  test('440 where nothing is relayed, 508 where nothing can be bound', () => {
    const none = new Harness(testConfig({ relay: {} }));
    assert.equal(codeOf(none.udpClient(CLIENT).allocate({ additionalAddressFamily: IPV6 })), 440);
    const broken = new Harness();
    broken.answer = () => ({ ok: false, failure: 'no-descriptors', detail: 'EMFILE' });
    assert.equal(codeOf(broken.udpClient(CLIENT).allocate({ additionalAddressFamily: IPV6 })), 508);
    assert.equal(broken.service.stats().held.freePorts, 200);
  });
});

describe('EVEN-PORT and RESERVATION-TOKEN (RFC 8656 §7.2)', () => {
  test('an even port without reservation', () => {
    for (let seed = 0; seed < 8; seed++) {
      const [relayed] = new Harness(testConfig(), seed)
        .udpClient(CLIENT)
        .mustAllocate({ evenPort: { reserveNext: false } });
      assert.equal(relayed.port % 2, 0);
    }
  });

  test('the next port is bound at once and goes to the same user with the token', () => {
    const harness = new Harness();
    const first = harness.udpClient(CLIENT).allocate({ evenPort: { reserveNext: true } });
    const [even] = first?.attributes.xorRelayedAddresses ?? [];
    const token = first?.attributes.reservationToken;
    assert.ok(even && token);
    assert.equal(token.length, 8);
    const opens = ofType(harness.orders, 'openPort').map(({ local }) => local.port);
    assert.deepEqual(opens, [even.port, even.port + 1]);
    const thief = harness.udpClient('203.0.113.77:1', 'bob', 'builder');
    assert.equal(codeOf(thief.allocate({ reservationToken: token })), 508);
    const [odd] = harness.udpClient('203.0.113.77:2').mustAllocate({ reservationToken: token });
    assert.equal(odd.port, even.port + 1);
    assert.equal(ofType(harness.orders, 'openPort').length, 2);
    assert.equal(codeOf(harness.udpClient('203.0.113.78:1').allocate({ reservationToken: token })), 508);
  });

  test('the reservation ends after 30 s and gives its port back', () => {
    const harness = new Harness();
    const token = harness.udpClient(CLIENT).allocate({ evenPort: { reserveNext: true } })?.attributes.reservationToken;
    assert.ok(token);
    assert.equal(harness.service.stats().held.freePorts, 198);
    assert.equal(ofType(harness.pass(29_999), 'closePort').length, 0);
    assert.equal(ofType(harness.pass(1), 'closePort').length, 1);
    assert.equal(harness.service.stats().held.freePorts, 199);
    assert.equal(codeOf(harness.udpClient('203.0.113.78:1').allocate({ reservationToken: token })), 508);
  });

  test('what arrives at a reserved port is dropped', () => {
    const harness = new Harness();
    const [even] = harness.udpClient(CLIENT).mustAllocate({ evenPort: { reserveNext: true } });
    assert.deepEqual(harness.fromPeer({ ...even, port: even.port + 1 }, PEER, new Uint8Array(1)), []);
    assert.equal(harness.drops('no-allocation'), 1);
  });

  test('a reservation counts for the quota of its user until it is used', () => {
    const harness = new Harness(testConfig({ quota: { perUser: 2, total: 0, bytesPerSecond: 0 } }));
    const token = harness.udpClient(CLIENT).allocate({ evenPort: { reserveNext: true } })?.attributes.reservationToken;
    assert.ok(token);
    assert.equal(codeOf(harness.udpClient('203.0.113.9:4001').allocate()), 486);
    assert.equal(codeOf(harness.udpClient('203.0.113.9:4001').allocate({ reservationToken: token })), 'success');
    assert.equal(codeOf(harness.udpClient('203.0.113.9:4002').allocate()), 486);
  });

  test('a pair of which one port is in use is given up for another pair, and neither is lost', () => {
    for (const side of [0, 1]) {
      const harness = new Harness();
      let refused = 0;
      harness.answer = (local, socket) =>
        local.port % 2 === side && refused++ === 0 ? inUse(local, socket) : bound(local, socket);
      const answer = harness.udpClient(CLIENT).allocate({ evenPort: { reserveNext: true } });
      assert.equal(codeOf(answer), 'success');
      assert.equal(ofType(harness.orders, 'openPort').length, 4);
      assert.equal(ofType(harness.orders, 'closePort').length, 1);
      assert.equal(harness.ports.size, 2);
      assert.equal(harness.service.stats().held.freePorts, 198);
    }
  });

  test('a pair of which one port fails for good is 508, and both ports come back', () => {
    const harness = new Harness();
    harness.answer = (local, socket) =>
      local.port % 2 === 1 ? { ok: false, failure: 'no-descriptors', detail: 'EMFILE' } : bound(local, socket);
    assert.equal(codeOf(harness.udpClient(CLIENT).allocate({ evenPort: { reserveNext: true } })), 508);
    assert.equal(harness.ports.size, 0);
    assert.equal(harness.service.stats().held.freePorts, 200);
  });
});
