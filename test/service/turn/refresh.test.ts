import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE } from '../../../src/wire/stun/message.ts';
import { codeOf, Harness, ofType, PEER, PEER_6, REALM, type TestClient, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:4000';
const IPV4 = 0x01;
const IPV6 = 0x02;

describe('Refresh (RFC 8656 §8.2)', () => {
  for (const [asked, granted] of [
    [undefined, 600],
    [1, 600],
    [900, 900],
    [0xffffffff, 3600],
  ] as const) {
    test(`LIFETIME ${asked ?? 'absent'} gives ${granted} s from now`, () => {
      const harness = new Harness();
      const client = harness.udpClient(CLIENT);
      client.mustAllocate();
      harness.pass(500_000);
      const answer = client.refresh(asked === undefined ? {} : { lifetime: asked });
      assert.equal(answer?.attributes.lifetime, granted);
      harness.pass(granted * 1000 - 1);
      assert.equal(harness.service.stats().allocations, 1);
      harness.pass(1);
      assert.equal(harness.service.stats().allocations, 0);
    });
  }

  test('LIFETIME 0 ends the allocation: flows first, then the port, and nothing is left', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    client.bind(0x4000, PEER);
    const orders = client.raw(client.build(0x004, { lifetime: 0 }));
    const answer = client.responseIn(orders);
    assert.equal(codeOf(answer), 'success');
    assert.equal(answer?.attributes.lifetime, 0);
    const kinds = orders.map(({ type }) => type).filter((type) => type !== 'send' && type !== 'event');
    assert.deepEqual(kinds, ['removeFlow', 'removeFlow', 'closePort']);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
    assert.equal(harness.service.pollTimeout(), undefined);
    assert.equal(codeOf(client.refresh({ lifetime: 0 })), 437);
  });

  test('437 without an allocation', () => {
    assert.equal(codeOf(new Harness().udpClient(CLIENT).refresh()), 437);
  });

  test('443 for a family that the allocation has not', () => {
    const client = new Harness().udpClient(CLIENT);
    client.mustAllocate();
    assert.equal(codeOf(client.refresh({ requestedAddressFamily: IPV6 })), 443);
    assert.equal(codeOf(client.refresh({ requestedAddressFamily: 0x09 })), 443);
    assert.equal(codeOf(client.refresh({ requestedAddressFamily: IPV4 })), 'success');
  });
});

describe('Refresh of a dual allocation (RFC 8656 §8.1)', () => {
  function dual() {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate({ additionalAddressFamily: IPV6 });
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_6);
    return { harness, client };
  }

  test('LIFETIME 0 for one family takes only its port, permissions and channels', () => {
    const { harness, client } = dual();
    const before = harness.flows.size;
    assert.equal(codeOf(client.refresh({ lifetime: 0, requestedAddressFamily: IPV6 })), 'success');
    assert.equal(before, 4);
    assert.equal(harness.flows.size, 2);
    assert.deepEqual(
      [...harness.ports.values()].map(({ family }) => family),
      [4],
    );
    assert.equal(codeOf(client.bind(0x4001, PEER_6)), 443);
    assert.equal(codeOf(client.bind(0x4000, PEER)), 'success');
    assert.equal(codeOf(client.refresh({ requestedAddressFamily: IPV6 })), 443);
  });

  test('LIFETIME 0 for the last family ends the allocation', () => {
    const { harness, client } = dual();
    client.refresh({ lifetime: 0, requestedAddressFamily: IPV4 });
    client.refresh({ lifetime: 0, requestedAddressFamily: IPV6 });
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
  });

  test('each family runs out by itself when only the other is refreshed', () => {
    const { harness, client } = dual();
    harness.pass(300_000);
    client.refresh({ requestedAddressFamily: IPV4 });
    harness.pass(300_000);
    assert.deepEqual(
      [...harness.ports.values()].map(({ family }) => family),
      [4],
    );
    harness.pass(300_000);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('without a family both are refreshed', () => {
    const { harness, client } = dual();
    harness.pass(300_000);
    client.refresh();
    harness.pass(599_999);
    assert.equal(harness.ports.size, 2);
    harness.pass(1);
    assert.equal(harness.ports.size, 0);
  });
});

describe('who may do what to an allocation (RFC 8656 §5)', () => {
  test('another user on the 5-tuple gets 441 for every method', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    const other = client.as('bob', 'builder');
    assert.equal(codeOf(other.refresh({ lifetime: 0 })), 441);
    assert.equal(codeOf(other.permit([PEER])), 441);
    assert.equal(codeOf(other.bind(0x4000, PEER)), 441);
    assert.equal(harness.drops('wrong-user'), 3);
    assert.equal(harness.service.stats().allocations, 1);
    assert.equal(harness.flows.size, 0);
  });

  test('a renewed time-limited credential is the same user, one of another name is not', () => {
    const harness = new Harness();
    const credential = (name: string, seconds: number) => `${harness.now / 1000 + seconds}:${name}`;
    const [first, renewed, foreign] = [credential('carol', 60), credential('carol', 3600), credential('dave', 3600)];
    const client = harness.udpClient(CLIENT, first, restPassword(first));
    client.mustAllocate();
    harness.pass(61_000);
    assert.equal(codeOf(client.as(foreign, restPassword(foreign)).refresh()), 441);
    assert.equal(codeOf(client.as(renewed, restPassword(renewed)).refresh()), 'success');
  });

  test('a Refresh 0 captured on an earlier allocation of the same 5-tuple does not end the new one', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    const captured = client.build(0x004, { lifetime: 0 });
    const boundBefore = client.build(0x009, { channelNumber: 0x4000, xorPeerAddresses: [PEER] });
    assert.equal(codeOf(client.responseIn(client.raw(captured))), 'success');
    harness.pass(1000);
    const again = harness.udpClient(CLIENT);
    again.mustAllocate();
    for (const packet of [captured, boundBefore]) {
      const answer = client.responseIn(client.raw(packet));
      assert.equal(codeOf(answer), 438);
      assert.ok(answer?.attributes.nonce);
    }
    assert.equal(harness.drops('replayed-nonce'), 2);
    assert.equal(harness.service.stats().allocations, 1);
    assert.equal(harness.flows.size, 0);
    assert.equal(codeOf(again.refresh()), 'success');
  });

  test('a nonce that has grown old is replaced with 438, and the request passes with the new one', () => {
    const harness = new Harness(testConfig({ nonceLifetime: 60_000 }));
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    harness.pass(60_001);
    const stale = client.refresh();
    assert.equal(codeOf(stale), 438);
    assert.ok(stale?.attributes.nonce);
    client.nonce = stale.attributes.nonce;
    assert.equal(codeOf(client.refresh()), 'success');
  });

  test('a nonce of another client is refused', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.nonce = harness.udpClient('203.0.113.10:4000').askNonce();
    assert.equal(codeOf(client.allocate()), 438);
    assert.equal(harness.drops('bad-nonce'), 1);
  });

  test('credentials that expire end the allocation: its next Refresh is refused and it runs out', () => {
    const harness = new Harness();
    const expiry = harness.now / 1000 + 100;
    const name = `${expiry}:carol`;
    const client = harness.udpClient(CLIENT, name, restPassword(name));
    client.mustAllocate();
    harness.pass(99_000);
    assert.equal(codeOf(client.refresh()), 'success');
    harness.pass(2_000);
    assert.equal(codeOf(client.refresh()), 401);
    assert.equal(harness.drops('expired-credentials'), 1);
    harness.pass(600_000);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('a packet that comes before the timer is served finds nothing that has expired', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    client.nonce = client.askNonce();
    harness.now += 600_000;
    const orders = client.raw(client.build(0x004, {}));
    assert.equal(ofType(orders, 'closePort').length, 1);
    assert.equal(codeOf(client.responseIn(orders)), 437);
  });

  test('unknown attributes are refused after authentication, with a signed 420 (RFC 8489 §6.3)', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const answer = client.responseIn(client.raw(signedWithUnknown(client, 0x7777)));
    assert.equal(codeOf(answer), 420);
    assert.deepEqual(answer?.attributes.unknownAttributes, [0x7777]);
    assert.ok(answer?.messageIntegrity);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('malformed attributes too: a signed 400 for who proves a password, else the challenge (RFC 8489 §9.2.5)', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    const xorPeerAddress = 0x0012;
    const answer = client.responseIn(client.raw(signedWithUnknown(client, xorPeerAddress)));
    assert.equal(codeOf(answer), 400);
    assert.ok(answer?.messageIntegrity);
    const guess = client.as('alice', 'guess');
    const refused = guess.responseIn(guess.raw(signedWithUnknown(guess, xorPeerAddress)));
    assert.equal(codeOf(refused), 401);
    assert.ok(refused?.attributes.nonce);
    assert.equal(harness.drops('malformed-attribute'), 2);
    assert.equal(harness.service.stats().allocations, 0);
  });

  test('known attributes that do not belong here are ignored', () => {
    const client = new Harness().udpClient(CLIENT);
    assert.equal(codeOf(client.allocate({ channelNumber: 0x4000 })), 'success');
  });

  test('attributes behind MESSAGE-INTEGRITY do not count', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    client.mustAllocate();
    const signed = client.build(0x004, {});
    const lifetimeZero = Uint8Array.of(0x00, 0x0d, 0, 4, 0, 0, 0, 0);
    const tampered = new Uint8Array([...signed, ...lifetimeZero]);
    new DataView(tampered.buffer).setUint16(2, tampered.length - 20);
    const answer = client.responseIn(client.raw(tampered));
    assert.equal(answer?.attributes.lifetime, 600);
    assert.equal(harness.service.stats().allocations, 1);
  });
});

/** An Allocate with an empty attribute of that type, rightly signed. */
function signedWithUnknown(client: TestClient, type: number): Uint8Array {
  const nonce = client.askNonce();
  const attributes = { requestedTransport: 17, username: client.user, realm: REALM, nonce };
  const transactionId = new Uint8Array(12).fill(3);
  const plain = encodeMessage({ class: 'request', method: METHOD_ALLOCATE, transactionId, attributes });
  const signed = new Uint8Array(plain.length + 4 + 24);
  const view = new DataView(signed.buffer);
  signed.set(plain);
  view.setUint16(plain.length, type);
  view.setUint16(2, signed.length - 20);
  const macAt = signed.length - 24;
  view.setUint16(macAt, 0x0008);
  view.setUint16(macAt + 2, 20);
  signed.set(createHmac('sha1', client.key()).update(signed.subarray(0, macAt)).digest(), macAt + 4);
  return signed;
}

function restPassword(name: string): string {
  return createHmac('sha1', 'rest-secret').update(name).digest('base64');
}
