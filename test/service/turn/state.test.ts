import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import { TurnService } from '../../../src/service/turn/turn.ts';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_BINDING,
  METHOD_CHANNEL_BIND,
  METHOD_REFRESH,
} from '../../../src/wire/stun/message.ts';
import { seededRandom } from '../seeded.ts';
import { bytes, codeOf, endpoint, Harness, LISTENER_4, PEER, START, TestClient, testConfig } from './harness.ts';

const EMPTY = { entries: 0, deadlines: 0, openings: 0 };

describe('what floods leave behind (security.md, State)', () => {
  const binding = encodeMessage({
    class: 'request',
    method: METHOD_BINDING,
    transactionId: new Uint8Array(12),
    attributes: {},
  });
  const floods: readonly [string, (client: TestClient) => unknown][] = [
    ['Binding', (client) => client.raw(binding)],
    ['bare Allocate', (client) => client.allocate({}, { bare: true })],
    ['Allocate with garbage integrity', (client) => client.as('alice', 'wrong').allocate({}, { nonce: 'x' })],
    ['Allocate with a stale nonce', (client) => client.allocate({}, { nonce: 'obMatJos2' })],
    ['Refresh with a good nonce', (client) => client.refresh()],
    ['ChannelData to unknown channels', (client) => client.channelData(0x4000, bytes('a'))],
    ['Send indications', (client) => client.send(PEER, bytes('a'))],
    ['noise', (client) => client.raw(new Uint8Array(100).fill(0xc0))],
  ];
  for (const [name, once] of floods) {
    test(`${name} from 500 sources: nothing`, () => {
      const harness = new Harness();
      for (let source = 0; source < 500; source++) once(harness.udpClient(`203.0.${source >> 8}.${source & 255}:4000`));
      assert.deepEqual(harness.service.stats().held, { ...EMPTY, freePorts: 200 });
      assert.equal(harness.service.pollTimeout(), undefined);
    });
  }
});

describe('what a life leaves behind', () => {
  test('nothing in maps, heap and pools after everything has ended, whichever way', () => {
    const harness = new Harness(testConfig({ ports: { min: 50_000, max: 50_999 } }));
    for (let round = 0; round < 200; round++) {
      const from = `203.0.113.${round % 250}:${4000 + round}`;
      const client = round % 3 === 0 ? harness.streamClient(from) : harness.udpClient(from);
      const attributes = [{}, { additionalAddressFamily: 2 }, { evenPort: { reserveNext: true } }][round % 3] ?? {};
      const [relayed] = client.mustAllocate(attributes);
      client.bind(0x4000, PEER);
      if (round > 0) client.bind(0x4001, { ...relayed, port: 50_000 + ((round * 7) % 1000) });
      if (round % 2 === 0) client.refresh({ lifetime: 0 });
    }
    harness.pass(3_700_000);
    assert.deepEqual(harness.service.stats().held, { ...EMPTY, freePorts: 2000 });
    assert.equal(harness.service.stats().allocations, 0);
    assert.equal(harness.service.stats().clients, 0);
    assert.equal(harness.flows.size, 0);
    assert.equal(harness.ports.size, 0);
    assert.equal(harness.service.pollTimeout(), undefined);
  });

  test('pollTimeout is the earliest expiry, exactly', () => {
    const harness = new Harness();
    const client = harness.udpClient('203.0.113.9:4000');
    client.mustAllocate();
    assert.equal(harness.service.pollTimeout(), START + 600_000);
    harness.pass(1000);
    client.permit([PEER]);
    assert.equal(harness.service.pollTimeout(), START + 301_000);
    harness.pass(1000);
    client.permit([PEER]);
    assert.equal(harness.service.pollTimeout(), START + 302_000);
    harness.pass(300_000);
    assert.equal(harness.service.pollTimeout(), START + 600_000);
  });
});

describe('size (issue: at most 1 KB of heap per allocation with one channel)', () => {
  test('10,000 allocations with one channel and permission each', () => {
    const { service, listener } = bareService();
    const count = 10_000;
    // Warm up, so that code and shapes are not charged to the first allocations.
    for (let index = 0; index < 50; index++) fullAllocation(service, listener, endpoint(`203.0.113.1:${1000 + index}`));
    const before = heapUsed();
    for (let index = 0; index < count; index++) {
      fullAllocation(service, listener, endpoint(`203.0.${index >> 8}.${index & 255}:2000`));
    }
    const each = (heapUsed() - before) / count;
    assert.equal(service.stats().allocations, count + 50);
    assert.ok(each <= 1024, `${Math.round(each)} bytes per allocation`);
  });
});

/** A TestClient needs one; here it only builds packets. */
const UNUSED = new Harness();

function bareService() {
  const ids = new IdSource();
  const service = new TurnService(testConfig({ ports: { min: 49_152, max: 65_535 } }), ids, seededRandom(1));
  const listener = ids.socket();
  service.addListener(listener, LISTENER_4);
  return { service, listener };
}

/** Drains without keeping a trace, as an engine would. */
function fullAllocation(service: TurnService, listener: SocketId, from: Endpoint): void {
  let nonce: string | undefined;
  const client = new TestClient(UNUSED, { at: listener, from }, 'alice', 'wonderland');
  const serve = (packet: Uint8Array) => {
    service.handleDatagram(listener, from, packet, START);
    for (let order = service.pollOutput(); order !== undefined; order = service.pollOutput()) {
      if (order.type === 'openPort') service.handlePortOpened(order.socket, { ok: true, local: order.local }, START);
      if (order.type === 'send') nonce = client.responseIn([order])?.attributes.nonce ?? nonce;
    }
  };
  serve(client.build(METHOD_ALLOCATE, { requestedTransport: 17 }, { bare: true }));
  client.nonce = nonce;
  serve(client.build(METHOD_ALLOCATE, { requestedTransport: 17 }));
  serve(client.build(METHOD_CHANNEL_BIND, { channelNumber: 0x4000, xorPeerAddresses: [{ ...PEER, port: from.port }] }));
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

test('an allocation can be made, used and ended after a flood of failures', () => {
  const harness = new Harness();
  const client = harness.udpClient('203.0.113.9:4000');
  for (let count = 0; count < 100; count++) client.as('alice', `guess ${count}`).allocate();
  client.mustAllocate();
  assert.equal(codeOf(client.request(METHOD_REFRESH, { lifetime: 0 })), 'success');
});
