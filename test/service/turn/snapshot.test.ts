import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Snapshot } from '../../../src/service/turn/snapshot.ts';
import {
  bytes,
  codeOf,
  Harness,
  inUse,
  ofType,
  PEER,
  PEER_2,
  PEER_6,
  silent,
  type TestClient,
  testConfig,
} from './harness.ts';

const CLIENT = '203.0.113.9:4000';
const BOB = '203.0.113.10:5000';

/** What a restart does: out through JSON, into a service of another process. */
function restarted(harness: Harness, change: (next: Harness) => void = () => {}): Harness {
  const next = new Harness(testConfig(), 2);
  next.now = harness.now;
  change(next);
  const snapshot: Snapshot = JSON.parse(JSON.stringify(harness.service.snapshot()));
  next.run(() => next.service.restore(snapshot, next.now));
  return next;
}

function moved(client: TestClient, harness: Harness): TestClient {
  const { address, port } = client.endpoint;
  const copy = harness.udpClient(`${address}:${port}`, client.user, client.password);
  copy.nonce = client.nonce;
  return copy;
}

describe('snapshot and restore', () => {
  test('an allocation goes on with its port, permissions, channels and flows', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    const [relayed] = client.mustAllocate({ additionalAddressFamily: 2 });
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_6);
    client.permit([PEER_2]);
    before.pass(1000);
    const after = restarted(before);
    const again = moved(client, after);
    assert.deepEqual(after.service.snapshot(), before.service.snapshot());
    const facts = (harness: Harness) =>
      [...harness.flows.values()].map(({ direction, match }) => ({ direction, remote: match.remote }));
    assert.deepEqual(facts(after), facts(before));
    assert.equal(again.packetsIn(after.fromPeer(relayed, PEER_2, bytes('a'))).length, 1);
    assert.equal(codeOf(again.allocate({}, { transactionId: new Uint8Array(12) })), 437);
    assert.equal(codeOf(again.refresh()), 'success', 'the old nonce is good too');
    after.pass(299_000);
    assert.deepEqual(after.fromPeer(relayed, PEER_2, bytes('a')), []);
  });

  test('a retransmitted Allocate gets its answer from the new process', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    const transactionId = new Uint8Array(12).map((_, index) => index * 20 + 15);
    const first = client.allocate({ evenPort: { reserveNext: true } }, { transactionId });
    const again = moved(client, restarted(before)).allocate({}, { transactionId });
    assert.deepEqual(again?.attributes, first?.attributes);
  });

  test('a reservation keeps its token, its port and its time', () => {
    const before = new Harness();
    const token = before.udpClient(CLIENT).allocate({ evenPort: { reserveNext: true } })?.attributes.reservationToken;
    assert.ok(token);
    before.pass(10_000);
    const after = restarted(before);
    assert.equal(after.ports.size, 2);
    after.pass(19_999);
    assert.equal(codeOf(after.udpClient(BOB).allocate({ reservationToken: token })), 'success');
  });

  test('clients of one relay are joined again', () => {
    const before = new Harness();
    const alice = before.udpClient(CLIENT);
    const bob = before.udpClient(BOB, 'bob', 'builder');
    const [aliceRelayed] = alice.mustAllocate();
    const [bobRelayed] = bob.mustAllocate();
    alice.bind(0x4000, bobRelayed);
    bob.bind(0x4000, aliceRelayed);
    const after = restarted(before);
    assert.deepEqual(
      [...after.flows.values()].map(({ rewrite }) => rewrite.encapsulation.kind),
      ['replace', 'replace'],
    );
  });

  test('a port that cannot be had again ends what rests on it', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    client.mustAllocate();
    client.bind(0x4000, PEER);
    const after = restarted(before, (next) => {
      next.answer = inUse;
    });
    assert.equal(after.drops('restore-failed'), 1);
    assert.deepEqual(after.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
    assert.equal(codeOf(moved(client, after).refresh()), 437);
  });

  test('of a dual allocation the half that can be had goes on', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    client.mustAllocate({ additionalAddressFamily: 2 });
    client.bind(0x4000, PEER);
    client.bind(0x4001, PEER_6);
    const after = restarted(before, (next) => {
      next.answer = (local, socket) => (local.family === 6 ? inUse(local, socket) : { ok: true, local });
    });
    assert.equal(after.flows.size, 2);
    assert.equal(after.service.stats().held.freePorts, 199);
    assert.equal(codeOf(moved(client, after).refresh({ requestedAddressFamily: 2 })), 443);
  });

  test('until the port is bound again its data is dropped, not sent', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    client.mustAllocate();
    client.bind(0x4000, PEER);
    const after = restarted(before, (next) => {
      next.answer = silent;
    });
    assert.deepEqual(moved(client, after).channelData(0x4000, bytes('a')), []);
    assert.equal(after.drops('port-not-open'), 1);
  });

  test('what ends while its port is being bound again is closed once it is', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    client.mustAllocate();
    const after = restarted(before, (next) => {
      next.answer = silent;
    });
    moved(client, after).refresh({ lifetime: 0 });
    const [order] = ofType(after.orders, 'openPort');
    assert.ok(order);
    assert.deepEqual(after.opened(order.socket, { ok: true, local: order.local }), [
      { type: 'closePort', socket: order.socket },
    ]);
    assert.equal(after.service.stats().held.entries, 0);
  });

  test('what has expired meanwhile is left out', () => {
    const before = new Harness();
    const client = before.udpClient(CLIENT);
    const [relayed] = client.mustAllocate();
    client.bind(0x4000, PEER);
    const late = restarted(before, (next) => {
      next.now += 600_000;
    });
    assert.equal(late.service.stats().allocations, 0);
    assert.equal(late.drops('restore-failed'), 1);
    const middle = restarted(before, (next) => {
      next.now += 300_000;
    });
    assert.equal(middle.flows.size, 0);
    assert.deepEqual(middle.fromPeer(relayed, PEER, bytes('a')), []);
    assert.equal(codeOf(moved(client, middle).bind(0x4001, PEER)), 400, 'the channel is still bound');
  });

  test('streams and half-made allocations are not in it', () => {
    const harness = new Harness();
    harness.streamClient(CLIENT).mustAllocate();
    harness.answer = silent;
    harness.udpClient(CLIENT).allocate();
    assert.deepEqual(harness.service.snapshot(), { version: 1, allocations: [], reservations: [] });
  });

  test('misuse throws: an unknown version, or a service that is not empty', () => {
    const harness = new Harness();
    const snapshot = harness.service.snapshot();
    const future = JSON.parse(JSON.stringify(snapshot).replace('"version":1', '"version":2'));
    assert.throws(() => harness.service.restore(future, harness.now), { code: 'CULVERT_TURN_SNAPSHOT' });
    harness.udpClient(CLIENT).mustAllocate();
    assert.throws(() => harness.service.restore(snapshot, harness.now), { code: 'CULVERT_TURN_SNAPSHOT' });
  });
});
